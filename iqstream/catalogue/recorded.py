"""Datasets of real recordings: their rows, and which windows they hold, so that none is taken twice."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from iqstream.catalogue.dataset_names import take_name
from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.extended import ask_for_more
from iqstream.catalogue.new_datasets import check_words, insert_dataset
from iqstream.catalogue.postgres import Connection, Pool
from iqstream.catalogue.sample_ranges import SampleRanges
from schemas import RecordedSpec

_AT_A_TIME = 10_000


async def recorded_windows(pool: Pool, dataset_id: str) -> dict[str, int]:
    """The sample of every window that a dataset holds, by identity (SHA-256 in hex)."""
    rows = await pool.fetch(
        "SELECT encode(identity, 'hex') AS identity, sample_idx FROM heimdall.recorded_windows WHERE dataset_id = $1",
        UUID(dataset_id),
    )
    return {row["identity"]: row["sample_idx"] for row in rows}


async def create_recorded(
    pool: Pool, spec: RecordedSpec, windows: Mapping[str, int], *, reuse_name: bool, description: str
) -> None:
    """Makes the row of a new dataset of real recordings, with the windows that it is to hold.

    Raises:
        UserError: the name is in use, looks like an id or holds control characters.
    """
    check_words(spec, description)
    async with pool.acquire() as connection, connection.transaction():
        await take_name(connection, spec.dataset_id, spec.name, reuse_name=reuse_name)
        await insert_dataset(
            connection,
            spec,
            samples=SampleRanges.first(spec.samples),
            status="submitting",
            grows=False,
            description=description,
        )
        await _insert(connection, spec.dataset_id, windows)


async def extend_recorded(pool: Pool, dataset: Dataset, samples: int, windows: Mapping[str, int]) -> None:
    """Makes a dataset ask for its first `samples`, more than before, with the windows that it is to hold then.

    Raises:
        UserError: somebody has changed it since `dataset` was read.
    """
    async with pool.acquire() as connection, connection.transaction():
        await ask_for_more(connection, dataset, samples)
        await _insert(connection, dataset.id, windows)


async def _insert(connection: Connection, dataset_id: str, windows: Mapping[str, int]) -> None:
    items = [(bytes.fromhex(identity), sample_idx) for identity, sample_idx in windows.items()]
    for first in range(0, len(items), _AT_A_TIME):
        identities, indices = zip(*items[first : first + _AT_A_TIME], strict=True)
        await connection.execute(
            "INSERT INTO heimdall.recorded_windows (dataset_id, identity, sample_idx) "
            "SELECT $1, * FROM unnest($2::bytea[], $3::int[])",
            UUID(dataset_id),
            identities,
            indices,
        )
