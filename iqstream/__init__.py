"""iqstream: training data for locating radio transmitters, as a stream."""

__version__ = "0.1.0"
