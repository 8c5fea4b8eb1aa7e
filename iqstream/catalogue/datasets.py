"""Datasets as rows, and how they are found: by id, by name, by version."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import ClassVar, Literal, TypeAlias
from uuid import UUID

import asyncpg

from iqstream.catalogue.postgres import Connection, Pool
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.runtime.errors import Conflict, NotFound, UserError
from iqstream.runtime.readable import Readable
from schemas import DatasetKey, DatasetSpec, Spec, read_spec

Status: TypeAlias = Literal["submitting", "running", "complete", "cancelled", "deleted"]

OPEN: frozenset[Status] = frozenset({"submitting", "running"})
"""Samples of these are still to be decided, or their IQ to be saved."""
SHOWN_RANGES = 6
_PREFIX = re.compile("[0-9a-f]{4,31}")
KEPT_SPECS = 512
_COLUMNS = """id::text, version, name, spec, recorded, status, samples, grows, requested, accepted, rejected, failed,
    iq_samples, iq_samples_saved, iq_samples_lost, created_at, status_changed_at, completed_at, description"""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Dataset(Readable):
    """One version of a dataset and how far it has got."""

    SHOWN: ClassVar = (
        "name", "status", "requested", "accepted", "rejected", "failed", "iq_samples_saved", "version", "id",
    )  # fmt: skip

    id: str
    version: int
    name: str
    spec: Spec
    recorded: bool
    """Real recordings: its spec is a `RecordedSpec`."""
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
    iq_samples_lost: int = 0
    """Samples whose IQ was to be stored and can be had in no way."""
    created_at: datetime
    status_changed_at: datetime
    completed_at: datetime | None
    """When it last became complete; None while it is not."""
    description: str = ""
    """What it is for, in its owner's words."""

    @property
    def decided(self) -> int:
        """Samples of which the outcome is known."""
        return self.accepted + self.rejected + self.failed

    @property
    def is_growing(self) -> bool:
        """Whether more of it may be submitted."""
        return self.grows and self.status == "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class NameAndStatus:
    """What a version is called, and its status."""

    name: str
    status: Status


async def split_salt(pool: Pool | Connection, dataset_id: str) -> str | None:
    """What the random split of a dataset, in every version, is salted by (a UUID); None where there is no dataset."""
    return await pool.fetchval(  # type: ignore[no-any-return]  # a column of text
        "SELECT split_salt::text FROM heimdall.datasets WHERE id = $1 ORDER BY version LIMIT 1",
        dataset_uuid(dataset_id),
    )


async def same_recordings(pool: Pool | Connection, spec: DatasetSpec) -> list[Dataset]:
    """Other synthetic datasets whose sample i was recorded as this one's, deleted ones too; the oldest first."""
    rows = await pool.fetch(
        f"SELECT {_COLUMNS} FROM heimdall.datasets "  # noqa: S608  # our columns
        "WHERE NOT recorded AND id <> $1 AND (spec->>'seed')::numeric = $2 ORDER BY created_at, id, version",
        dataset_uuid(spec.dataset_id),
        spec.seed,
    )
    wanted = spec.recordings_sha256()
    equal = [found for found in map(_dataset, rows) if generated_spec(found).recordings_sha256() == wanted]
    return [found for found in equal if found.version == min(one.version for one in equal if one.id == found.id)]


async def get_dataset(pool: Pool | Connection, dataset_id: str, version: int = 1) -> Dataset | None:
    """One version of a dataset; None where there is none.

    Raises:
        UserError: `dataset_id` is not a UUID.
    """
    row = await pool.fetchrow(
        f"SELECT {_COLUMNS} FROM heimdall.datasets WHERE id = $1 AND version = $2",  # noqa: S608  # our columns
        dataset_uuid(dataset_id),
        version,
    )
    return None if row is None else _dataset(row)


async def dataset_versions(pool: Pool | Connection, dataset_id: str) -> list[Dataset]:
    """All versions of a dataset, newest first; deleted ones too."""
    rows = await pool.fetch(
        f"SELECT {_COLUMNS} FROM heimdall.datasets WHERE id = $1 ORDER BY version DESC",  # noqa: S608  # our columns
        dataset_uuid(dataset_id),
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


async def datasets_mark(pool: Pool | Connection) -> str:
    """Text that is another one after any dataset was made, has moved or was deleted."""
    return str(
        await pool.fetchval(
            "SELECT coalesce(sum(hashtextextended((id, version, name, description, status, samples, grows, requested, "
            "accepted, rejected, failed, iq_samples, iq_samples_saved)::text, 0)::numeric), 0) FROM heimdall.datasets"
        )
    )


async def find_dataset(
    pool: Pool | Connection,
    name_or_id: str,
    *,
    version: int | None = None,
    prefer: Callable[[Sequence[Dataset]], Dataset] | None = None,
    tell: Callable[[str], None] | None = None,
    whole: bool = False,
) -> Dataset:
    """The dataset of an id, of a name or of how an id begins, in the version named or its default one.

    Deleted ones are found by their whole id only. A whole id always wins; what is one dataset's name and the beginning
    of another's id means neither.

    Args:
        pool: connections, or one.
        name_or_id: which dataset.
        version: of it.
        prefer: chooses among its versions where none is named; `default_version` unless given.
        tell: is told which version was chosen, where there are several and none is named.
        whole: how an id begins will not do.

    Raises:
        UserError: there is none (it names those that are called alike), or there are several (it lists their ids).
    """
    try:
        found = await dataset_versions(pool, str(UUID(name_or_id)))
    except ValueError:
        found = []
    if not found:
        named = await _by_name(pool, name_or_id)
        begun = [] if whole else await _by_prefix(pool, name_or_id)
        found = list({(one.id, one.version): one for one in (*named, *begun)}.values())
    if not found:
        raise NotFound(
            f"there is no dataset {name_or_id!r}{await _called_alike(pool, name_or_id)}; "
            "`iqstream datasets list` shows what there is"
        )
    if len({one.id for one in found}) > 1:
        ids = ", ".join(sorted({f"{one.id} ({one.name!r})" for one in found}))
        raise Conflict(
            f"{len({one.id for one in found})} datasets are named {name_or_id!r} or have ids that begin so: "
            f"use an id, one of {ids}"
        )
    there = ", ".join(str(one.version) for one in sorted(found, key=lambda one: one.version))
    found = [one for one in found if version in {None, one.version}]
    if not found:
        raise NotFound(f"there is no dataset {name_or_id!r} in version {version}; there is {there}")
    chosen = (prefer or default_version)(found)
    if tell is not None and len(found) > 1:
        others = ", ".join(f"{one.version} ({held_of(one, found)})" for one in found if one is not chosen)
        tell(
            f"{chosen.name!r}: version {chosen.version} is taken ({held_of(chosen, found)}); "
            f"there are also versions {others}: --version names one"
        )
    return chosen


async def _by_name(pool: Pool | Connection, name: str) -> list[Dataset]:
    """All versions of the datasets of a name; none where PostgreSQL cannot hold such text."""
    if re.search("[\0\ud800-\udfff]", name):
        return []
    rows = await pool.fetch(
        f"SELECT {_COLUMNS} FROM heimdall.datasets WHERE name = $1 AND status <> 'deleted' "  # noqa: S608  # ours
        "ORDER BY version DESC",
        name,
    )
    return [_dataset(row) for row in rows]


async def _by_prefix(pool: Pool | Connection, prefix: str) -> list[Dataset]:
    """All versions of the datasets whose ids begin so; none where it is too short, or no part of an id."""
    digits = prefix.strip().lower().replace("-", "")
    if _PREFIX.fullmatch(digits) is None:
        return []
    rows = await pool.fetch(
        f"SELECT {_COLUMNS} FROM heimdall.datasets "  # noqa: S608  # our columns
        "WHERE starts_with(replace(id::text, '-', ''), $1) AND status <> 'deleted' ORDER BY version DESC",
        digits,
    )
    return [_dataset(row) for row in rows]


async def _called_alike(pool: Pool | Connection, name: str) -> str:
    """A question that names the datasets whose names are nearly this one; empty where there is none."""
    rows = await pool.fetch("SELECT DISTINCT name FROM heimdall.datasets WHERE status <> 'deleted'")
    by_form = {str(row["name"]).casefold(): str(row["name"]) for row in rows}
    near = get_close_matches(name.casefold(), list(by_form), n=3, cutoff=0.6)
    begun = [form for form in by_form if len(name) > 2 and name.casefold() in form][:3]
    alike = [repr(by_form[form]) for form in dict.fromkeys([*near, *begun])][:3]
    return f" (did you mean {' or '.join(alike)}?)" if alike else ""


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


async def names_of(pool: Pool | Connection, dataset_ids: Collection[str]) -> dict[DatasetKey, NameAndStatus]:
    """Of all versions of some datasets; ids that are none, or unknown, are left out."""
    rows = await pool.fetch(
        "SELECT id::text, version, name, status FROM heimdall.datasets WHERE id::text = ANY($1)",
        list(dataset_ids),
    )
    return {
        DatasetKey(row["id"], row["version"]): NameAndStatus(name=row["name"], status=row["status"]) for row in rows
    }


def generated_spec(dataset: Dataset) -> DatasetSpec:
    """The spec of a dataset whose samples are generated.

    Raises:
        UserError: it holds real recordings.
    """
    if not isinstance(dataset.spec, DatasetSpec):
        raise Conflict(
            f"dataset {dataset.name!r} holds real recordings: nothing can be generated for it; `iqstream ingest`, "
            "or `iqstream listen` where that began it, with its name adds to it, and goes on with what was interrupted"
        )
    return dataset.spec


def dataset_uuid(dataset_id: str) -> UUID:
    """The id as PostgreSQL's type.

    Raises:
        UserError: it is none.
    """
    try:
        return UUID(dataset_id)
    except ValueError:
        raise UserError(f"{dataset_id!r} is not a dataset's id (a UUID)") from None


@lru_cache(maxsize=KEPT_SPECS)
def _spec(text: str, *, recorded: bool) -> Spec:
    """A spec as it is stored. The latest are kept: who watches a list of datasets reads the same ones all the time."""
    return read_spec(text, recorded=recorded)


def _dataset(row: asyncpg.Record) -> Dataset:
    values = dict(row)
    values["spec"] = _spec(values["spec"], recorded=values["recorded"])
    values["samples"] = SampleRanges.from_sql(values["samples"])
    return Dataset(**values)
