"""A dataset that is to hold more samples: the same spec, the next indices."""

from __future__ import annotations

from iqstream.catalogue.datasets import Dataset, dataset_uuid, find_dataset
from iqstream.catalogue.postgres import Connection, Pool
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.runtime.errors import Conflict


async def begin_extension(pool: Pool, dataset: Dataset, samples: int) -> Dataset:
    """Makes a version ask for its first `samples`, more than before; returns it. Shards are still to be published.

    What is decided, the chosen IQ and every sample's split stay: they go by index. It is `submitting` until its
    submission is whole, and becomes complete once more.

    Raises:
        UserError: somebody has changed it since `dataset` was read.
    """
    await ask_for_more(pool, dataset, samples)
    return await find_dataset(pool, dataset.id, version=dataset.version)


async def ask_for_more(pool: Pool | Connection, dataset: Dataset, samples: int) -> None:
    """Makes a version ask for its first `samples`, as `begin_extension` says; raises what that raises."""
    if not await _asks_for(pool, dataset, samples, status="submitting", grows=False):
        raise Conflict(f"dataset {dataset.name!r} has changed meanwhile: look at it, and extend it again if need be")


async def grow_again(pool: Pool, dataset: Dataset, samples: int) -> None:
    """Makes a dataset that has ended grow once more, to at most `samples`, until it is ended again.

    Raises:
        UserError: somebody has changed it since `dataset` was read.
    """
    if not await _asks_for(pool, dataset, samples, status="running", grows=True):
        raise Conflict(f"dataset {dataset.name!r} has changed meanwhile: look at it, and try again")


async def _asks_for(pool: Pool | Connection, dataset: Dataset, samples: int, *, status: str, grows: bool) -> bool:
    """Makes a version ask for its first `samples`; returns False if it is not as `dataset` says, or grows."""
    moved = await pool.fetchval(
        "UPDATE heimdall.datasets SET status = $6, status_changed_at = now(), completed_at = NULL, grows = $7, "
        "samples = $3, requested = heimdall.sample_count($3), spec = jsonb_set(spec, '{samples}', to_jsonb($4::int)) "
        "WHERE id = $1 AND version = $2 AND requested = $5 AND status IN ('running', 'complete') AND NOT grows "
        "RETURNING true",
        dataset_uuid(dataset.id),
        dataset.version,
        SampleRanges.first(samples).to_sql(),
        samples,
        dataset.requested,
        status,
        grows,
    )
    return moved is not None
