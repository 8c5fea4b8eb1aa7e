"""Which extractor made a feature record: changes with any change of a published value."""

EXTRACTOR_VERSION = "2"
