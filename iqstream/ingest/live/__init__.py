"""Receivers that send now, by rtl_tcp: their samples in windows, into a dataset that grows, and into SigMF files."""
