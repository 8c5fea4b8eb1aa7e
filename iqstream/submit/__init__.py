"""Submitting a dataset: its row first, then its shards, each exactly once."""
