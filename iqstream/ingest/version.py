"""Which program made a frame: changes with any change of a published byte."""

INGEST_VERSION = "1"
"""`iqstream ingest`."""
LISTEN_VERSION = "listen 1"
"""`iqstream listen`. Of what came once nothing is noted, so files cannot be ingested into its datasets."""
