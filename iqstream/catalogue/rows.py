"""Rows of features: written, and gone where a sample is not accepted any more. Within a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter

from iqstream.catalogue.postgres import QUERIES, Connection
from schemas import MeasurementRow, SampleKey

_columns_of = attrgetter(*(field.name for field in fields(MeasurementRow)))


async def write_rows(connection: Connection, rows: Sequence[MeasurementRow]) -> None:
    """Inserts rows of features, or rewrites them."""
    if rows:
        await connection.executemany(QUERIES["write_row"], [_columns_of(row) for row in rows])


async def delete_rows(connection: Connection, samples: Sequence[SampleKey]) -> None:
    """Deletes the rows of samples, where they have one."""
    if samples:
        await connection.execute(QUERIES["delete_rows"], *zip(*samples, strict=True))
