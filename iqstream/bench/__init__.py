"""Measurements of the whole pipeline on servers of its own: faults, and long runs."""
