"""The rows of a dataset from PostgreSQL, a batch at a time, from one snapshot of the database."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from iqstream.catalogue.datasets import Dataset, split_salt
from iqstream.catalogue.exported import ExportedSample, exported_samples
from iqstream.catalogue.postgres import Connection
from iqstream.dataset.splits import NO_SPLIT, SPLITS, random_split, receiver_split, spatial_split
from iqstream.export.pairs import pair_table
from iqstream.export.selection import Selection
from iqstream.export.table import COLUMNS, FEATURE_COLUMNS, RECORDED_COLUMNS, TRUTH_COLUMNS, Column, Table
from iqstream.export.truth import DrawTruth
from schemas import FEATURE_NAMES, STATISTICS, DatasetKey

SAMPLES_AT_A_TIME = 256
_FIGURES = ("mean_snr_db", "overall_confidence", "gdop", "tx_latitude", "tx_longitude")
_INSIDE = {True: 1, False: 0, None: NO_SPLIT}
_NO_VALUES = (np.nan,) * len(FEATURE_COLUMNS)
_NO_FEATURE = dict.fromkeys(STATISTICS, np.nan)
"""Of a row that was stored before the feature was measured."""


class ExportedTables(NamedTuple):
    """Some samples as rows."""

    samples: int
    rows: Table
    pairs: Table | None
    """None where the dataset asks for no time differences."""


async def export_tables(
    connection: Connection,
    dataset: Dataset,
    selection: Selection,
    *,
    include_rejected: bool,
    draw_truth: DrawTruth | None,
) -> AsyncIterator[ExportedTables]:
    """Samples and their tables, batch by batch; within a transaction of the caller's. With `TRUTH_COLUMNS` if drawn.

    Of rejected samples the ledger holds the figures and who detected, not the values of the features, which are NaN.
    """
    salt = await split_salt(connection, dataset.id)
    assert salt is not None  # noqa: S101  # the dataset is there
    tables = _Tables(dataset, selection, salt, draw_truth)
    batch: list[ExportedSample] = []
    async for sample in exported_samples(
        connection,
        DatasetKey(dataset.id, dataset.version),
        include_rejected=include_rejected,
        prefetch=SAMPLES_AT_A_TIME,
    ):
        batch.append(sample)
        if len(batch) == SAMPLES_AT_A_TIME:
            yield await asyncio.to_thread(tables.tables, batch)
            batch = []
    if batch:
        yield await asyncio.to_thread(tables.tables, batch)


def columns_of(dataset: Dataset, draw_truth: DrawTruth | None) -> tuple[Column, ...]:
    """Returns the columns of a dataset's export: those of truth where it is drawn."""
    columns = COLUMNS + RECORDED_COLUMNS if dataset.recorded else COLUMNS
    return columns if draw_truth is None else columns + TRUTH_COLUMNS


class _Tables:
    """Rows of samples as columns."""

    def __init__(self, dataset: Dataset, selection: Selection, salt: str, draw_truth: DrawTruth | None) -> None:
        self._dataset = dataset
        self._salt = salt
        self._draw_truth = draw_truth
        self._columns = columns_of(dataset, draw_truth)
        self._selection = selection
        self._receivers = {receiver.rx_id: receiver for receiver in dataset.spec.receivers}
        self._receiver_split = receiver_split(list(self._receivers))

    def tables(self, samples: Sequence[ExportedSample]) -> ExportedTables:
        one = self._dataset
        pairs = pair_table(one.id, one.version, self._salt, samples) if one.spec.pairs else None
        return ExportedTables(len(samples), self.table(samples), pairs)

    def table(self, samples: Sequence[ExportedSample]) -> Table:
        rows = [row for sample in samples for row in self._rows(sample)]
        values = np.array([row.pop("values") for row in rows]).reshape(len(rows), len(FEATURE_COLUMNS))
        columns: dict[str, Any] = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
        index = np.array(columns["sample_idx"], np.int64)
        latitude, longitude = np.array(columns["tx_latitude"], float), np.array(columns["tx_longitude"], float)
        columns["split_random"] = np.array(SPLITS)[random_split(self._salt, index)]
        columns["split_spatial"] = np.array([*SPLITS, ""])[spatial_split(latitude, longitude)]
        accepted = np.array(columns["outcome"]) == "accepted"
        columns["weight"] = np.where(accepted, self._selection.weights(latitude, longitude), 0.0)
        columns |= {name: values[:, at] for at, name in enumerate(FEATURE_COLUMNS)}
        return {column.name: np.asarray(columns[column.name], column.dtype) for column in self._columns}

    def _rows(self, sample: ExportedSample) -> list[dict[str, Any]]:
        figures, stored = sample.figures, sample.receiver_features
        columns = {
            "dataset_id": self._dataset.id,
            "dataset_version": self._dataset.version,
            "sample_idx": sample.sample_idx,
            "outcome": sample.outcome,
            "reason": sample.reason or "",
            "captured_at_ns": sample.extraction_metadata.get("captured_at_ns", 0),
            "tx_altitude_m": _number(sample.tx_altitude_m),
            "inside_network": _INSIDE[figures.get("inside_network")],
            "num_receivers_detected": figures.get("num_receivers_detected", 0),
            **{name: _number(figures.get(name)) for name in _FIGURES},
            "level_reference": sample.extraction_metadata.get("level_reference", ""),
        }
        detected = set(figures.get("detected", ()))
        heard = {one["rx_id"]: one for one in stored} if stored is not None else dict.fromkeys(self._receivers)
        truth = {} if self._draw_truth is None else self._draw_truth(sample.sample_idx)
        return [
            {**columns, **self._receiver(rx_id, heard[rx_id], rx_id in detected), **truth.get(rx_id, {})}
            for rx_id in heard
        ]

    def _receiver(self, rx_id: str, features: Mapping[str, Any] | None, detected: bool) -> dict[str, Any]:  # noqa: FBT001
        receiver = self._receivers[rx_id]
        return {
            "rx_id": rx_id,
            "rx_latitude": _number(receiver.latitude),
            "rx_longitude": _number(receiver.longitude),
            "rx_altitude_m": _number(receiver.altitude_m),
            "rx_antenna_height_m": receiver.antenna_height_m,
            "detected": detected,
            "split_receiver_holdout": self._receiver_split[rx_id],
            "values": _NO_VALUES
            if features is None
            else [features.get(name, _NO_FEATURE)[statistic] for name in FEATURE_NAMES for statistic in STATISTICS],
        }


def _number(value: float | None) -> float:
    return np.nan if value is None else value
