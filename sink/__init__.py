"""Joins the recordings of a sample, judges it, stores it once, and keeps the IQ of the first accepted ones."""
