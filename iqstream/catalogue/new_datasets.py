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
from iqstream.runtime.errors import Conflict, UserError
from schemas import DatasetSpec


def check_words(spec: DatasetSpec, description: str = "") -> None:
    """Whether a dataset may be named and described so. Asks no server.

    Raises:
        UserError: the name looks like an id, or the name or the description cannot be shown everywhere.
    """
    check_name(spec.name)
    check_text("generator_version", spec.generator_version)
    check_description(description)


async def create_dataset(
    pool: Pool,
    spec: DatasetSpec,
    *,
    reuse_name: bool = False,
    recorded: bool = False,
    status: Literal["submitting", "running"] = "submitting",
    description: str = "",
) -> None:
    """Makes the row of a new dataset, or of a new version of one.

    Args:
        pool: connections.
        spec: what is submitted.
        reuse_name: allow a name that another dataset has.
        recorded: real recordings: samples may miss receivers.
        status: `running` for one that grows, whose submission is never whole.
        description: what it is for.

    Raises:
        UserError: the name is in use, looks like an id or holds control characters, the description does, or this id
            and version exist; or real recordings are to be published as features, which nobody computes on their way.
    """
    check_words(spec, description)
    if recorded and spec.publish == "features":
        raise UserError(
            "publish: real recordings are not made by the producer, so their frames are what there is to publish; "
            "leave out `features`"
        )
    async with pool.acquire() as connection, connection.transaction():
        await take_name(connection, spec.dataset_id, spec.name, reuse_name=reuse_name)
        await insert_dataset(
            connection,
            spec,
            samples=SampleRanges.first(spec.samples),
            recorded=recorded,
            status=status,
            grows=status == "running",
            description=description,
        )


async def insert_dataset(
    connection: Connection,
    spec: DatasetSpec,
    *,
    samples: SampleRanges,
    recorded: bool,
    status: Status,
    grows: bool,
    description: str = "",
) -> None:
    """Inserts the row of a dataset or of a further version of one, within a transaction.

    Args:
        connection: in a transaction.
        spec: with its id and version.
        samples: that this version will hold: it is complete when all of them are decided.
        recorded: real recordings.
        status: to begin with.
        grows: its samples are submitted a few at a time, until it is ended.
        description: what it is for.

    Raises:
        UserError: this id and version exist.
    """
    salt = spec.dataset_id if recorded else await _salt_of_synthetic(connection, spec)
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


async def _salt_of_synthetic(connection: Connection, spec: DatasetSpec) -> str:
    """That of the dataset's earlier versions; else of the oldest dataset of the same recordings; else a new one."""
    if (own := await split_salt(connection, spec.dataset_id)) is not None:
        return own
    for twin in await same_recordings(connection, spec):
        if (salt := await split_salt(connection, twin.id)) is not None:
            return salt
    return spec.split_salt()
