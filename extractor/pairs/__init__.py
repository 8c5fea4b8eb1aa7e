"""Time differences between the receivers of one sample."""

from extractor.pairs.measure import measure_pairs

__all__ = ["measure_pairs"]
