"""How large an export can become, before it is written."""

from iqstream.catalogue.datasets import Dataset

ROW_BYTES, PAIR_BYTES = 3000, 600
"""Of a row of CSV with the columns of truth, the largest there is, and of a time difference."""


def largest_bytes(dataset: Dataset, *, include_rejected: bool) -> int:
    """Returns what the files of an export occupy at most, in any format, with what is written beside them meanwhile."""
    receivers = len(dataset.spec.receivers)
    samples = dataset.accepted + (dataset.rejected if include_rejected else 0)
    pairs = dataset.accepted * receivers * (receivers - 1) // 2 if dataset.spec.pairs else 0
    return 2 * (samples * receivers * ROW_BYTES + pairs * PAIR_BYTES)
