"""Proofs that a dataset is what its lineage says."""
