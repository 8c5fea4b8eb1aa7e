"""The row of a new dataset, or of a new version of one."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from iqstream.catalogue.dataset_names import check_description, check_name, check_text, take_name
from iqstream.catalogue.datasets import Status, same_recordings, split_salt
from iqstream.catalogue.postgres import Connection, Pool
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.runtime.errors import Conflict
from schemas import DatasetSpec, RecordedSpec, Spec


def check_words(spec: Spec, description: str = "") -> None:
    """Whether a dataset may be named and described so. Asks no server.

    Raises:
        UserError: the name looks like an id, or the name or the description cannot be shown everywhere.
    """
    check_name(spec.name)
    if isinstance(spec, DatasetSpec):
        check_text("generator_version", spec.generator_version)
    check_description(description)


async def create_dataset(
    pool: Pool,
    spec: Spec,
    *,
    reuse_name: bool = False,
    status: Literal["submitting", "running"] = "submitting",
    description: str = "",
) -> None:
    """Makes the row of a new dataset, or of a new version of one.

    Args:
        pool: connections.
        spec: what is submitted.
        reuse_name: allow a name that another dataset has.
        status: `running` for one that grows, whose submission is never whole.
        description: what it is for.

    Raises:
        UserError: the name is in use, looks like an id or holds control characters, the description does, or this id
            and version exist.
    """
    check_words(spec, description)
    async with pool.acquire() as connection, connection.transaction():
        await take_name(connection, spec.dataset_id, spec.name, reuse_name=reuse_name)
        await insert_dataset(
            connection,
            spec,
            samples=SampleRanges.first(spec.samples),
            status=status,
            grows=status == "running",
            description=description,
        )


async def insert_dataset(
    connection: Connection,
    spec: Spec,
    *,
    samples: SampleRanges,
    status: Status,
    grows: bool,
    description: str = "",
) -> None:
    """Inserts the row of a dataset or of a further version of one, within a transaction.

    Args:
        connection: in a transaction.
        spec: with its id and version.
        samples: that this version will hold: it is complete when all of them are decided.
        status: to begin with.
        grows: its samples are submitted a few at a time, until it is ended.
        description: what it is for.

    Raises:
        UserError: this id and version exist.
    """
    recorded = isinstance(spec, RecordedSpec)
    salt = await _split_salt(connection, spec)
    try:
        await connection.execute(
            "INSERT INTO heimdall.datasets "
            "(id, version, name, spec, recorded, status, samples, grows, requested, iq_samples, split_salt, "
            "description) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, heimdall.sample_count($7), $9, $10, $11)",
            UUID(spec.dataset_id),
            spec.dataset_version,
            spec.name,
            msgspec.json.encode(spec).decode(),
            recorded,
            status,
            samples.to_sql(),
            grows,
            spec.iq_samples,
            UUID(salt),
            description,
        )
    except asyncpg.UniqueViolationError:
        raise Conflict(f"dataset {spec.dataset_id} version {spec.dataset_version} exists already") from None


async def _split_salt(connection: Connection, spec: Spec) -> str:
    """That of the dataset's earlier versions; else of the oldest dataset of the same recordings; else a new one."""
    if isinstance(spec, RecordedSpec):
        return spec.dataset_id
    if (own := await split_salt(connection, spec.dataset_id)) is not None:
        return own
    for twin in await same_recordings(connection, spec):
        if (salt := await split_salt(connection, twin.id)) is not None:
            return salt
    return spec.split_salt()
