"""Deleting a dataset: its rows, outcomes and objects. Its entry stays, so that records still in Kafka are skipped."""

from dataclasses import dataclass

from iqstream.catalogue.dataset_status import delete_dataset
from iqstream.catalogue.postgres import Pool
from iqstream.runtime.readable import Readable
from sink.objects import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Removed(Readable):
    """What was deleted."""

    rows: int
    objects: int


async def remove_dataset(pool: Pool, store: ObjectStore, dataset_id: str) -> Removed:
    """Deletes all versions of a dataset. Run again, it finishes an interrupted deletion.

    The rows first: from then on stages skip its records and no saver writes objects for it.

    Raises:
        UserError: there is no such dataset.
        Failed: the object store refuses.
        Unreachable: it does not answer; the rows are gone then, and the same command removes the objects later.
    """
    rows = await delete_dataset(pool, dataset_id)
    return Removed(rows=rows, objects=await store.remove_dataset(dataset_id))
