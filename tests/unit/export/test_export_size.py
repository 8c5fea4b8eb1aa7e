"""What is said that an export takes at most is never less than it takes, and near enough to let large ones be made."""

import dataclasses

import msgspec
import numpy as np
import pytest

from iqstream.export.rows import SAMPLES_AT_A_TIME, columns_of
from iqstream.export.size import CARD_BYTES, largest_bytes
from iqstream.export.table import TRUTH_COLUMNS
from iqstream.export.writers import WRITERS
from iqstream.web.exports import MAX_BYTES
from schemas.dataset import ITALY_NORTH_WEST
from tests.unit.export.test_export import dataset


def incompressible(columns, rows, rng):
    """A table of the widest values."""
    table = {}
    for column in columns:
        dtype = np.dtype(column.dtype)
        if dtype.kind == "U":
            width = dtype.itemsize // 4
            letters = rng.integers(0x10300, 0x10800, (rows, width))  # four bytes each in UTF-8
            table[column.name] = np.array(["".join(map(chr, row)) for row in letters], dtype)
        elif dtype.kind == "f":
            table[column.name] = -rng.random(rows) * 10.0 ** rng.integers(-300, -100, rows)
        else:
            table[column.name] = (
                np.frombuffer(rng.bytes(rows * dtype.itemsize), dtype) if dtype.kind == "i" else np.zeros(rows, dtype)
            )
    return table


@pytest.mark.parametrize("truth", [False, True])
@pytest.mark.parametrize("file_format", WRITERS)
def test_no_rows_take_more_than_is_said(file_format, truth, tmp_path):
    samples = 2 * SAMPLES_AT_A_TIME
    one = dataclasses.replace(dataset(), accepted=samples)
    columns = columns_of(one, None) + (TRUTH_COLUMNS if truth else ())
    rows = len(one.spec.receivers) * SAMPLES_AT_A_TIME
    batch = incompressible(columns, rows, np.random.default_rng(8))
    with WRITERS[file_format](tmp_path / f"set.{file_format}", {}, columns) as writer:
        for _ in range(samples // SAMPLES_AT_A_TIME):
            writer.write(batch)
    said = largest_bytes(one, file_format, include_rejected=False, truth=truth)
    taken = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert taken <= said - CARD_BYTES + 50_000


@pytest.mark.parametrize("file_format", WRITERS)
def test_fifty_thousand_samples_of_seven_receivers_may_be_exported(file_format):
    one = dataset()
    spec = msgspec.structs.replace(one.spec, receivers=ITALY_NORTH_WEST)
    large = dataclasses.replace(one, spec=spec, accepted=50_000)
    assert largest_bytes(large, file_format, include_rejected=False, truth=False) < MAX_BYTES
