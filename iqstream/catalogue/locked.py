"""A dataset while its row is locked: what it asks for, how far it is, and when it is complete.

One order of locks for everyone: datasets by id and version, then what belongs to them, a partition's offset last.
Functions take a connection within a transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import asyncpg

from iqstream.catalogue.postgres import QUERIES, Connection, savepoint
from iqstream.catalogue.sample_ranges import SampleRanges
from schemas import DatasetKey

LOCK_TIMEOUT_MS = 5_000
"""Waiting for a dataset is given up and begun again; a frozen worker does not begin again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetState:
    """A dataset as it stands while its row is locked."""

    key: DatasetKey
    status: str
    recorded: bool
    samples: SampleRanges
    """What this version holds."""
    undecided: int
    """How many of them."""
    iq_samples: int
    iq_chosen: int
    iq_frontier: int

    @property
    def withdrawn(self) -> bool:
        """Cancelled or deleted: its records are dropped."""
        return self.status in {"cancelled", "deleted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A dataset that has just become complete."""

    dataset: DatasetKey
    name: str
    accepted: int
    iq_samples_saved: int
    iq_samples_lost: int


async def lock_datasets(connection: Connection, keys: Collection[DatasetKey]) -> dict[DatasetKey, DatasetState]:
    """Locks datasets in one order and reads them: the first statement of a batch. Unknown ones are left out.

    Waits as long as it must, but in turns. A frozen worker has a connection that holds the lock and several that wait
    for it. Without an end to their turn each would get the lock after the one before it, and keep it until the server
    ends its transaction: one worker would hold up all others for `IDLE_IN_TRANSACTION_MS` times its connections.
    """
    if not keys:
        return {}
    ids, versions = zip(*sorted(keys), strict=True)
    while True:
        try:
            async with savepoint(connection):
                rows = await connection.fetch(QUERIES["lock_datasets"], ids, versions, str(LOCK_TIMEOUT_MS))
        except asyncpg.LockNotAvailableError:
            continue
        break
    states = {}
    for row in rows:
        key = DatasetKey(row["id"], row["version"])
        states[key] = DatasetState(
            key=key,
            status=row["status"],
            recorded=row["recorded"],
            samples=SampleRanges.from_sql(row["samples"]),
            undecided=row["undecided"],
            iq_samples=row["iq_samples"],
            iq_chosen=row["iq_chosen"],
            iq_frontier=row["iq_frontier"],
        )
    return states


async def read_spec_text(connection: Connection, key: DatasetKey) -> str:
    """The JSON of a dataset's spec. Only its `samples` ever changes, when it is extended or ended, and its name."""
    text = await connection.fetchval(QUERIES["read_spec"], *key)
    assert isinstance(text, str)  # noqa: S101  # the dataset is locked, so it is there
    return text


async def complete_if_done(connection: Connection, dataset: DatasetKey) -> Completed | None:
    """Marks a dataset complete if every sample is decided and all chosen IQ is stored or lost; it is locked.

    Listeners are notified by the table's trigger. Not None once each time it becomes complete: again
    only after it was extended.
    """
    row = await connection.fetchrow(QUERIES["complete_dataset"], *dataset)
    if row is None:
        return None
    return Completed(
        dataset=dataset,
        name=row["name"],
        accepted=row["accepted"],
        iq_samples_saved=row["iq_samples_saved"],
        iq_samples_lost=row["iq_samples_lost"],
    )
