"""Datasets as rows: made at submission, moved through their states, found again."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

import asyncpg
import msgspec

from iqstream.catalogue.postgres import Connection, Pool
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.runtime.errors import UserError
from schemas import DatasetSpec

Status: TypeAlias = Literal["submitting", "running", "complete", "cancelled", "deleted"]

_MAY_FOLLOW: Mapping[Status, tuple[Status, ...]] = {
    "running": ("submitting",),
    "cancelled": ("submitting", "running"),
    "deleted": ("submitting", "running", "complete", "cancelled"),
}
"""By new status, the ones it may follow. `complete` is the sink's to say, with the last sample."""

OPEN: frozenset[Status] = frozenset({"submitting", "running"})
"""Samples of these are still to be decided, or their IQ to be saved."""
SHOWN_RANGES = 6
_CONTROL = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of Unicode: control characters, halves of a pair, line and paragraph separators."""
_DIRECTIONS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""Of what turns the direction of the text after it."""

_COLUMNS = """id::text, version, name, spec, recorded, status, samples, grows, requested, accepted, rejected, failed,
    iq_samples, iq_samples_saved, created_at, status_changed_at, completed_at"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One version of a dataset and how far it has got."""

    id: str
    version: int
    name: str
    spec: DatasetSpec
    recorded: bool
    """Real recordings, whose samples may miss receivers."""
    status: Status
    samples: SampleRanges
    """What this version holds once it is complete; `spec.samples` is above all indices of all versions."""
    grows: bool
    """It holds as many of its samples as are submitted until it is ended."""
    requested: int
    """How many `samples` are."""
    accepted: int
    rejected: int
    failed: int
    iq_samples: int
    """How many samples' IQ is wanted at most."""
    iq_samples_saved: int
    created_at: datetime
    status_changed_at: datetime
    completed_at: datetime | None

    @property
    def decided(self) -> int:
        """Samples of which the outcome is known."""
        return self.accepted + self.rejected + self.failed

    @property
    def is_growing(self) -> bool:
        """Whether more of it may be submitted."""
        return self.grows and self.status == "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCount:
    """How many samples ended in the same way."""

    outcome: Literal["accepted", "rejected", "failed"]
    reason: str | None
    samples: int


def check_text(what: str, text: str) -> None:
    """Whether text of a new dataset can be shown everywhere as it is.

    Raises:
        UserError: it holds a control character; says which, and where.
    """
    for at, character in enumerate(text, start=1):
        if unicodedata.category(character) in _CONTROL or unicodedata.bidirectional(character) in _DIRECTIONS:
            raise UserError(
                f"{what}: character {at} of {text!r} is {character!r}, which controls how text is shown: leave it out"
            )


def check_name(name: str) -> None:
    """Whether a new dataset may be named so.

    Raises:
        UserError: it holds a control character, or could be taken for an id.
    """
    check_text("name", name)
    try:
        UUID(name)
    except ValueError:
        return
    raise UserError(f"name: {name!r} looks like a dataset's id, and an id always means the dataset that has it")


async def create_dataset(
    pool: Pool,
    spec: DatasetSpec,
    *,
    reuse_name: bool = False,
    recorded: bool = False,
    status: Literal["submitting", "running"] = "submitting",
) -> None:
    """Makes the row of a new dataset, or of a new version of one.

    Args:
        pool: connections.
        spec: what is submitted.
        reuse_name: allow a name that another dataset has.
        recorded: real recordings: samples may miss receivers.
        status: `running` for one that grows, whose submission is never whole.

    Raises:
        UserError: the name is in use, looks like an id holds control characters, or this id and version exist.
    """
    check_name(spec.name)
    check_text("generator_version", spec.generator_version)
    async with pool.acquire() as connection, connection.transaction():
        # names are not unique in the table (--reuse-name), so two submitters of one name take turns
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", spec.name)
        other = await connection.fetchval(
            "SELECT id::text FROM heimdall.datasets WHERE name = $1 AND id <> $2 AND status <> 'deleted' LIMIT 1",
            spec.name,
            UUID(spec.dataset_id),
        )
        if other is not None and not reuse_name:
            raise UserError(
                f"the name {spec.name!r} is in use by dataset {other}: "
                "choose another, or add --reuse-name for a second dataset of that name"
            )
        await insert_dataset(
            connection,
            spec,
            samples=SampleRanges.first(spec.samples),
            recorded=recorded,
            status=status,
            grows=status == "running",
        )


async def insert_dataset(
    connection: Connection, spec: DatasetSpec, *, samples: SampleRanges, recorded: bool, status: Status, grows: bool
) -> None:
    """Inserts the row of a dataset or of a further version of one, within a transaction.

    Args:
        connection: in a transaction.
        spec: with its id and version.
        samples: that this version will hold: it is complete when all of them are decided.
        recorded: real recordings.
        status: to begin with.
        grows: its samples are submitted a few at a time, until it is ended.

    Raises:
        UserError: this id and version exist.
    """
    salt = spec.dataset_id if recorded else await _salt_of_synthetic(connection, spec)
    try:
        await connection.execute(
            "INSERT INTO heimdall.datasets "
            "(id, version, name, spec, recorded, status, samples, grows, requested, iq_samples, split_salt) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, heimdall.sample_count($7), $9, $10)",
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
        )
    except asyncpg.UniqueViolationError:
        raise UserError(f"dataset {spec.dataset_id} version {spec.dataset_version} exists already") from None


async def _salt_of_synthetic(connection: Connection, spec: DatasetSpec) -> str:
    """That of the dataset's earlier versions; else of the oldest dataset of the same recordings; else a new one."""
    if (own := await split_salt(connection, spec.dataset_id)) is not None:
        return own
    for twin in await same_recordings(connection, spec):
        if (salt := await split_salt(connection, twin.id)) is not None:
            return salt
    return spec.split_salt()


async def split_salt(pool: Pool | Connection, dataset_id: str) -> str | None:
    """What the random split of a dataset, in every version, is salted by (a UUID); None where there is no dataset."""
    return await pool.fetchval(  # type: ignore[no-any-return]  # a column of text
        "SELECT split_salt::text FROM heimdall.datasets WHERE id = $1 ORDER BY version LIMIT 1", _uuid(dataset_id)
    )


async def same_recordings(pool: Pool | Connection, spec: DatasetSpec) -> list[Dataset]:
    """Other synthetic datasets whose sample i was recorded as this one's, deleted ones too; the oldest first."""
    rows = await pool.fetch(
        f"SELECT {_COLUMNS} FROM heimdall.datasets "  # noqa: S608  # our columns
        "WHERE NOT recorded AND id <> $1 AND (spec->>'seed')::numeric = $2 ORDER BY created_at, id, version",
        _uuid(spec.dataset_id),
        spec.seed,
    )
    wanted = spec.recordings_sha256()
    equal = [found for found in map(_dataset, rows) if found.spec.recordings_sha256() == wanted]
    return [found for found in equal if found.version == min(one.version for one in equal if one.id == found.id)]


async def set_status(pool: Pool, dataset_id: str, version: int, status: Status) -> bool:
    """Moves a dataset to another status if its present one allows that; whether it did.

    A dataset that is cancelled can be deleted but not run again, one that is complete cannot be cancelled,
    and one that is complete before its submitter says `running` stays complete.

    Raises:
        UserError: `complete`, which follows from the samples, or there is no such dataset.
    """
    allowed = _MAY_FOLLOW.get(status)
    if allowed is None:
        raise UserError(f"a dataset cannot be set {status!r}; it can be set {', '.join(_MAY_FOLLOW)}")
    moved = await pool.fetchval(
        "UPDATE heimdall.datasets SET status = $3, status_changed_at = now() "
        "WHERE id = $1 AND version = $2 AND status = ANY($4) RETURNING true",
        _uuid(dataset_id),
        version,
        status,
        list(allowed),
    )
    if moved is None and await get_dataset(pool, dataset_id, version) is None:
        raise UserError(f"there is no dataset {dataset_id} version {version}")
    return moved is not None


async def delete_dataset(pool: Pool, dataset_id: str) -> int:
    """Deletes all versions of a dataset with their rows and outcomes; the number of rows of features.

    The dataset's own lines stay, with status `deleted`, so that records still under way are recognised. Its
    objects are `ObjectStore.remove_dataset`'s business, after this.

    Raises:
        UserError: there is no such dataset.
    """
    identity = _uuid(dataset_id)
    async with pool.acquire() as connection, connection.transaction():
        versions = await connection.fetch(
            "SELECT version FROM heimdall.datasets WHERE id = $1 ORDER BY version FOR NO KEY UPDATE", identity
        )
        if not versions:
            raise UserError(f"there is no dataset {dataset_id}")
        await connection.execute(
            "UPDATE heimdall.datasets SET status = 'deleted', status_changed_at = now() "
            "WHERE id = $1 AND status <> 'deleted'",
            identity,
        )
        # a saver that holds a claim waits for our lock on the dataset and then forgets its claim itself
        await connection.execute(
            "DELETE FROM heimdall.iq_saves WHERE (dataset_id, dataset_version, sample_idx) IN "
            "(SELECT dataset_id, dataset_version, sample_idx FROM heimdall.iq_saves WHERE dataset_id = $1 "
            "FOR UPDATE SKIP LOCKED)",
            identity,
        )
        await connection.execute("DELETE FROM heimdall.sample_outcomes WHERE dataset_id = $1", identity)
        deleted = await connection.execute("DELETE FROM heimdall.measurement_features WHERE dataset_id = $1", identity)
    return int(deleted.split()[-1])


async def get_dataset(pool: Pool | Connection, dataset_id: str, version: int = 1) -> Dataset | None:
    """One version of a dataset; None where there is none.

    Raises:
        UserError: `dataset_id` is not a UUID.
    """
    row = await pool.fetchrow(
        f"SELECT {_COLUMNS} FROM heimdall.datasets WHERE id = $1 AND version = $2",  # noqa: S608  # our columns
        _uuid(dataset_id),
        version,
    )
    return None if row is None else _dataset(row)


async def dataset_versions(pool: Pool | Connection, dataset_id: str) -> list[Dataset]:
    """All versions of a dataset, newest first; deleted ones too."""
    rows = await pool.fetch(
        f"SELECT {_COLUMNS} FROM heimdall.datasets WHERE id = $1 ORDER BY version DESC",  # noqa: S608  # our columns
        _uuid(dataset_id),
    )
    return [_dataset(row) for row in rows]


async def list_datasets(pool: Pool | Connection, *, include_deleted: bool = False) -> list[Dataset]:
    """All datasets, newest first."""
    rows = await pool.fetch(
        f"SELECT {_COLUMNS} FROM heimdall.datasets WHERE $1 OR status <> 'deleted' "  # noqa: S608  # our columns
        "ORDER BY created_at DESC, id, version DESC",
        include_deleted,
    )
    return [_dataset(row) for row in rows]


async def find_dataset(
    pool: Pool | Connection,
    name_or_id: str,
    *,
    version: int | None = None,
    prefer: Callable[[Sequence[Dataset]], Dataset] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Dataset:
    """The dataset of an id, or else of a name, in the version named or its default one; deleted ones by id only.

    Args:
        pool: connections, or one.
        name_or_id: which dataset.
        version: of it.
        prefer: chooses among its versions where none is named; `default_version` unless given.
        tell: is told which version was chosen, where there are several and none is named.

    Raises:
        UserError: there is none, or several have that name (it lists their ids).
    """
    try:
        found = await dataset_versions(pool, str(UUID(name_or_id)))
    except ValueError:
        found = []
    if not found:
        rows = await pool.fetch(
            f"SELECT {_COLUMNS} FROM heimdall.datasets WHERE name = $1 AND status <> 'deleted' "  # noqa: S608  # ours
            "ORDER BY version DESC",
            name_or_id,
        )
        found = [_dataset(row) for row in rows]
    found = [dataset for dataset in found if version in {None, dataset.version}]
    if not found:
        wanted = repr(name_or_id) if version is None else f"{name_or_id!r} in version {version}"
        raise UserError(f"there is no dataset {wanted}; `iqstream datasets list` shows what there is")
    ids = sorted({dataset.id for dataset in found})
    if len(ids) > 1:
        raise UserError(f"{len(ids)} datasets are named {name_or_id!r}: use an id, one of {', '.join(ids)}")
    chosen = (prefer or default_version)(found)
    if tell is not None and len(found) > 1:
        others = ", ".join(f"{one.version} ({held_of(one, found)})" for one in found if one is not chosen)
        tell(
            f"{chosen.name!r}: version {chosen.version} is taken ({held_of(chosen, found)}); "
            f"there are also versions {others}: --version names one"
        )
    return chosen


def default_version(versions: Sequence[Dataset]) -> Dataset:
    """The newest version that is whole and decided; where none is, the whole one of which most is decided.

    A version is whole if it holds every sample that any version of the dataset holds.
    """
    every = _held_by_any(versions)
    return max(versions, key=lambda one: (one.samples == every, one.decided, one.version))


def version_under_way(versions: Sequence[Dataset]) -> Dataset:
    """The newest version that is not finished yet; the default one where all are."""
    return max((one for one in versions if one.status in OPEN), key=lambda one: one.version, default=None) or (
        default_version(versions)
    )


def held_of(dataset: Dataset, versions: Sequence[Dataset]) -> str:
    """What a version holds, in words, `all 40 samples` or `samples 0-19 of 40`, and how many of them are decided."""
    every = _held_by_any(versions)
    if dataset.samples == every:
        held = f"all {len(every)} samples"
    elif len(dataset.samples.ranges) > SHOWN_RANGES:
        held = f"{len(dataset.samples)} of {len(every)} samples"
    else:
        held = f"samples {dataset.samples} of {len(every)}"
    return held if dataset.decided == dataset.requested else f"{held}, {dataset.decided} decided"


def _held_by_any(versions: Sequence[Dataset]) -> SampleRanges:
    held = SampleRanges(())
    for one in versions:
        held |= one.samples
    return held


async def outcome_counts_by_reason(pool: Pool | Connection, dataset_id: str, version: int = 1) -> list[OutcomeCount]:
    """How the samples decided so far ended, most frequent first."""
    rows = await pool.fetch(
        "SELECT outcome, reason, count(*) AS samples FROM heimdall.sample_outcomes "
        "WHERE dataset_id = $1 AND dataset_version = $2 GROUP BY outcome, reason "
        "ORDER BY samples DESC, outcome, reason",
        _uuid(dataset_id),
        version,
    )
    return [OutcomeCount(outcome=row["outcome"], reason=row["reason"], samples=row["samples"]) for row in rows]


async def decided_up_to(pool: Pool | Connection, dataset_id: str, version: int) -> int:
    """One above the last decided sample; 0 where none is decided."""
    found = await pool.fetchval(
        "SELECT coalesce(max(sample_idx) + 1, 0) FROM heimdall.sample_outcomes "
        "WHERE dataset_id = $1 AND dataset_version = $2",
        _uuid(dataset_id),
        version,
    )
    return int(found)


def _uuid(dataset_id: str) -> UUID:
    try:
        return UUID(dataset_id)
    except ValueError:
        raise UserError(f"{dataset_id!r} is not a dataset's id (a UUID)") from None


def _dataset(row: asyncpg.Record) -> Dataset:
    values = dict(row)
    values["spec"] = msgspec.json.decode(values["spec"], type=DatasetSpec)
    values["samples"] = SampleRanges.from_sql(values["samples"])
    return Dataset(**values)
