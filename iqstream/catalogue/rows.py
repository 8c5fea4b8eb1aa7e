"""Rows of features: written, and gone where a sample is not accepted any more. Within a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter

from iqstream.catalogue.postgres import QUERIES, Connection
from schemas import MeasurementRow, PairRow, SampleKey

_columns_of = attrgetter(*(field.name for field in fields(MeasurementRow)))
_pair_columns_of = attrgetter(*(field.name for field in fields(PairRow)))


async def write_rows(connection: Connection, rows: Sequence[MeasurementRow]) -> None:
    """Inserts rows of features, or rewrites them."""
    if rows:
        await connection.executemany(QUERIES["write_row"], [_columns_of(row) for row in rows])


async def write_pair_rows(connection: Connection, rows: Sequence[PairRow]) -> None:
    """Inserts time differences beside rows of features that are there, or rewrites them."""
    if rows:
        await connection.executemany(QUERIES["write_pair_row"], [_pair_columns_of(row) for row in rows])


async def delete_rows(connection: Connection, samples: Sequence[SampleKey]) -> None:
    """Deletes the rows of samples, where they have one; their time differences go with them."""
    if samples:
        await connection.execute(QUERIES["delete_rows"], *zip(*samples, strict=True))
