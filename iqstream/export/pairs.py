"""The time differences of an export, and of a stream as Arrow: a row per sample and pair of receivers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iqstream.catalogue.exported import ExportedSample
from iqstream.dataset.batch import Batch
from iqstream.dataset.splits import SPLITS, random_split, spatial_split
from iqstream.export.table import STREAM_COLUMNS, Column, Table
from schemas import PAIR_QUANTITIES
from schemas.pair_measurement import PAIR_TABLE

_IDENTITY = ("dataset_id", "dataset_version", "sample_idx")
_OF_PAIRS: tuple[Column, ...] = (
    Column(name="receiver_a", dtype="U64", role="input", meaning="rx_id"),
    Column(name="receiver_b", dtype="U64", role="input", meaning="rx_id"),
    *(
        Column(
            name=quantity.name,
            dtype="?" if quantity.name == "found" else "f8",
            role="input",
            unit="" if quantity.name == "found" else quantity.unit,
            meaning=quantity.definition,
        )
        for quantity in PAIR_TABLE.values()
    ),
)
_IDS = tuple(column for column in STREAM_COLUMNS if column.name in _IDENTITY)
PAIR_COLUMNS: tuple[Column, ...] = (
    *_IDS,
    Column(name="split_random", dtype="U10", role="id", meaning="of the sample, as in its rows"),
    Column(name="split_spatial", dtype="U10", role="id", meaning="of the sample, as in its rows"),
    *_OF_PAIRS,
)
STREAMED_PAIR_COLUMNS: tuple[Column, ...] = (*_IDS, Column(name="split", dtype="U10", role="id"), *_OF_PAIRS)


def pairs_path(path: Path) -> Path:
    """Returns where the time differences stand that go with a file of rows."""
    return path.with_name(f"{path.stem}-pairs{path.suffix}")


def pair_table(dataset_id: str, dataset_version: int, salt: str, samples: Sequence[ExportedSample]) -> Table:
    """The pairs of accepted samples, under PAIR_COLUMNS; a sample without any has no rows."""
    rows = [(sample, pair) for sample in samples for pair in sample.pairs or ()]
    columns: dict[str, Any] = {name: [pair[name] for _, pair in rows] for name in ("receiver_a", "receiver_b")}
    columns |= {name: [pair[name] for _, pair in rows] for name in PAIR_QUANTITIES}
    index = np.array([sample.sample_idx for sample, _ in rows], np.int64)
    place = np.array(
        [[sample.figures.get(f"tx_{name}", np.nan) for name in ("latitude", "longitude")] for sample, _ in rows], float
    ).reshape(-1, 2)
    columns["split_random"] = np.array(SPLITS)[random_split(salt, index)]
    columns["split_spatial"] = np.array([*SPLITS, ""])[spatial_split(place[:, 0], place[:, 1])]
    columns |= {"dataset_id": [dataset_id] * len(rows), "dataset_version": [dataset_version] * len(rows)}
    columns["sample_idx"] = index
    return {column.name: np.asarray(columns[column.name], column.dtype) for column in PAIR_COLUMNS}


def pair_table_of_batch(batch: Batch) -> Table:
    """The pairs of a batch that was streamed with them, under STREAMED_PAIR_COLUMNS."""
    x, _, meta = batch
    rows, pairs = np.nonzero(x["pair_receivers"][:, :, 0] >= 0)
    table: Table = {name: meta[name][rows] for name in (*_IDENTITY, "split")}
    for at, name in enumerate(("receiver_a", "receiver_b")):
        table[name] = meta["rx_ids"][rows, x["pair_receivers"][rows, pairs, at]]
    for at, name in enumerate(PAIR_QUANTITIES):
        table[name] = x["pairs"][rows, pairs, at]
    return {column.name: table[column.name].astype(column.dtype) for column in STREAMED_PAIR_COLUMNS}
