"""The version of the generator that made a sample."""

GENERATOR_VERSION = "2"
"""Changes whenever any byte of any sample does (tests/golden/producer_digests.json notices)."""
