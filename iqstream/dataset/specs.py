"""The datasets that a stream meets: by whose limits a sample is judged, by whose salt and network it is split."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from iqstream.catalogue.datasets import Dataset, find_dataset, get_dataset, split_salt
from iqstream.catalogue.postgres import Pool, create_pool, tables_needed
from iqstream.runtime.errors import UserError
from iqstream.runtime.settings import Settings
from schemas import DatasetKey, Limits

log = logging.getLogger(__name__)


@asynccontextmanager
async def dataset_pool(settings: Settings) -> AsyncIterator[Pool]:
    """Connections for reading datasets.

    Raises:
        Unreachable: no server, or it has none of our tables.
    """
    async with create_pool(settings.postgres_dsn, max_size=2) as pool:
        with tables_needed("the database"):
            yield pool


class Specs:
    """Looked up once each. Datasets that are deleted or unknown have none: their samples are not streamed."""

    def __init__(self, pool: Pool | None, limits: Limits | None) -> None:
        """With `limits`, all samples are judged by these. `pool` is None only then; PostgreSQL is not asked."""
        self._pool = pool
        self._limits = limits
        self._known: dict[DatasetKey, Dataset | None] = {}
        self._salts: dict[str, str | None] = {}

    async def learn(self, keys: Iterable[DatasetKey]) -> None:
        """Makes sure that the datasets of these keys are known."""
        if self._pool is None:
            return
        for key in keys:
            if key not in self._known:
                found = await _dataset(self._pool, key)
                self._known[key] = None if found is None or found.status == "deleted" else found
                if key.dataset_id not in self._salts:
                    self._salts[key.dataset_id] = await _salt(self._pool, key.dataset_id)

    def limits(self, key: DatasetKey) -> Limits | None:
        """What the dataset's samples must reach; None for one that is not there."""
        if self._limits is not None:
            return self._limits
        found = self._known[key]
        return None if found is None else found.spec.limits

    def dataset(self, key: DatasetKey) -> Dataset | None:
        """The dataset in that version; None for one that is not there, or where PostgreSQL was not asked."""
        return self._known.get(key)

    def split_salt(self, dataset_id: str) -> str | None:
        """What the dataset's random split is salted by; None where PostgreSQL was not asked."""
        return self._salts.get(dataset_id)

    def rx_ids(self, key: DatasetKey) -> Sequence[str]:
        """The dataset's network; empty where it is not known."""
        found = self._known.get(key)
        return () if found is None else [receiver.rx_id for receiver in found.spec.receivers]


async def _dataset(pool: Pool, key: DatasetKey) -> Dataset | None:
    try:
        return await get_dataset(pool, key.dataset_id, key.dataset_version)
    except UserError:  # a stranger's record: its dataset is not named by a UUID
        return None


async def _salt(pool: Pool, dataset_id: str) -> str | None:
    """The dataset's salt; of one that PostgreSQL does not know, its id."""
    try:
        return await split_salt(pool, dataset_id) or dataset_id
    except UserError:  # a stranger's record
        return None


async def resolve(pool: Pool, name_or_id: str, version: int | None) -> DatasetKey:
    """The dataset of a name or id, by default in its newest whole version, which a warning names. Raises UserError."""
    found = await find_dataset(pool, name_or_id, version=version, tell=log.warning)
    return DatasetKey(found.id, found.version)
