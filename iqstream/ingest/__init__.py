"""Recordings of real receivers become samples of a dataset."""
