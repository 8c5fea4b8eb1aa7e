"""Proofs that a dataset matches its lineage."""
