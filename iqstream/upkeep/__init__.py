"""Removing datasets, and what is left of those that are gone."""
