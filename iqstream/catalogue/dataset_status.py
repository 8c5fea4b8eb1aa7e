"""A dataset's way through its states: run, cancelled, deleted, ended. Completion is in `locked`."""

from __future__ import annotations

from collections.abc import Mapping

from iqstream.catalogue.datasets import Status, dataset_uuid, get_dataset
from iqstream.catalogue.locked import complete_if_done
from iqstream.catalogue.postgres import Pool
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.runtime.errors import NotFound, UserError
from schemas import DatasetKey

_MAY_FOLLOW: Mapping[Status, tuple[Status, ...]] = {
    "running": ("submitting",),
    "cancelled": ("submitting", "running"),
    "deleted": ("submitting", "running", "complete", "cancelled"),
}
"""By new status, the ones it may follow. `complete` is the sink's to say, with the last sample."""


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
        dataset_uuid(dataset_id),
        version,
        status,
        list(allowed),
    )
    if moved is None and await get_dataset(pool, dataset_id, version) is None:
        raise NotFound(f"there is no dataset {dataset_id} version {version}")
    return moved is not None


async def delete_dataset(pool: Pool, dataset_id: str) -> int:
    """Deletes all versions of a dataset with their rows and outcomes; the number of rows of features.

    The dataset's own lines stay, with status `deleted`, so that records still under way are recognised. Its
    objects are `ObjectStore.remove_dataset`'s business, after this.

    Raises:
        UserError: there is no such dataset.
    """
    identity = dataset_uuid(dataset_id)
    async with pool.acquire() as connection, connection.transaction():
        versions = await connection.fetch(
            "SELECT version FROM heimdall.datasets WHERE id = $1 ORDER BY version FOR NO KEY UPDATE", identity
        )
        if not versions:
            raise NotFound(f"there is no dataset {dataset_id}")
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
        await connection.execute("DELETE FROM heimdall.recorded_windows WHERE dataset_id = $1", identity)
        await connection.execute("DELETE FROM heimdall.sample_outcomes WHERE dataset_id = $1", identity)
        deleted = await connection.execute("DELETE FROM heimdall.measurement_features WHERE dataset_id = $1", identity)
    return int(deleted.split()[-1])


async def end_growing(pool: Pool, dataset: DatasetKey, samples: int) -> None:
    """Ends a dataset that grows at its first `samples`, at least one; it may be complete by that."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "UPDATE heimdall.datasets SET grows = false, samples = $3, requested = heimdall.sample_count($3), "
            "spec = jsonb_set(spec, '{samples}', to_jsonb($4::int)) "
            "WHERE id = $1 AND version = $2 AND status = 'running' AND grows",
            dataset_uuid(dataset.dataset_id),
            dataset.dataset_version,
            SampleRanges.first(samples).to_sql(),
            samples,
        )
        await complete_if_done(connection, dataset)
