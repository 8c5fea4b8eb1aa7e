"""How large an export can become, before it is written."""

from collections.abc import Sequence

import numpy as np

from iqstream.catalogue.datasets import Dataset
from iqstream.export.pairs import PAIR_COLUMNS
from iqstream.export.rows import SAMPLES_AT_A_TIME, columns_of
from iqstream.export.table import TRUTH_COLUMNS, Column

CARD_BYTES = 200_000
"""Of the card and of what the files say about their columns."""
PARQUET_GROUP_BYTES = 1000
"""Of what Parquet notes of each column, for every group of rows."""
_CSV_CELL_BYTES = {"f8": 24, "i8": 20, "i4": 11, "i2": 6, "i1": 4, "?": 5}
"""Of the longest values as text."""


def largest_bytes(dataset: Dataset, file_format: str, *, include_rejected: bool, truth: bool) -> int:
    """Returns what the files of an export occupy at most, with what is written beside them meanwhile."""
    receivers = len(dataset.spec.receivers)
    samples = dataset.accepted + (dataset.rejected if include_rejected else 0)
    columns = columns_of(dataset, None) + (TRUTH_COLUMNS if truth else ())
    found = CARD_BYTES + _table_bytes(file_format, columns, samples * receivers, samples)
    if dataset.spec.pairs:
        pairs = dataset.accepted * receivers * (receivers - 1) // 2
        found += _table_bytes(file_format, PAIR_COLUMNS, pairs, dataset.accepted)
    return found


def _table_bytes(file_format: str, columns: Sequence[Column], rows: int, samples: int) -> int:
    """Of a table that is written in batches of some samples, where nothing can be compressed."""
    widths = [np.dtype(column.dtype).itemsize for column in columns]
    if file_format == "csv":  # text takes as much in UTF-8 as in memory at most; a comma or the line's end follows
        return rows * sum(
            _CSV_CELL_BYTES.get(column.dtype, width) + 2 for column, width in zip(columns, widths, strict=True)
        )
    if file_format == "npz":  # the arrays are written plain first, and then into the archive
        return rows * sum(widths) * 201 // 100
    groups = -(-samples // SAMPLES_AT_A_TIME)
    return rows * sum(width + 8 for width in widths) + groups * len(columns) * PARQUET_GROUP_BYTES
