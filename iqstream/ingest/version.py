"""Which ingest made a frame: changes with any change of a published byte."""

INGEST_VERSION = "1"
