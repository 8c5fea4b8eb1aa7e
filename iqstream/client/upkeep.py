"""Making the ground that the stages stand on, and getting rid of datasets."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from iqstream.catalogue.datasets import Dataset, find_dataset
from iqstream.catalogue.postgres import Pool
from iqstream.client.calls import Calls
from iqstream.initialise import Initialised, initialise
from iqstream.reach import object_store
from iqstream.runtime.kafka import admin_client
from iqstream.upkeep.cleanup import Cleanup, clean_up
from iqstream.upkeep.remove import Removed, remove_dataset
from sink.objects import ObjectStore


class UpkeepCalls(Calls):
    """`initialise`, `plan_delete`, `delete`, `plan_cleanup`, `cleanup`."""

    async def initialise(
        self,
        *,
        sink_roles: Sequence[str] = (),
        stage_roles: Sequence[str] = (),
        dashboard_roles: Sequence[str] = (),
    ) -> Initialised:
        """Makes topics, first positions, tables and the bucket; returns what was made. Safe to call again.

        Args:
            sink_roles: roles of PostgreSQL that are granted what a sink needs.
            stage_roles: roles that are granted what producer and extractor need.
            dashboard_roles: roles that are granted what the dashboard needs.

        Raises:
            UserError: there is no such role.
            Failed: PostgreSQL's offsets belong to another cluster or topic than the one that answers.
            Unreachable: a server does not answer.
        """
        return await initialise(
            self.settings, sink_roles=sink_roles, stage_roles=stage_roles, dashboard_roles=dashboard_roles
        )

    async def plan_delete(self, name_or_id: str) -> Dataset:
        """Returns the dataset that `delete` would delete, and deletes nothing.

        Raises:
            UserError: there is none, or several have that name.
            Unreachable: PostgreSQL does not answer.
        """
        async with self._postgres() as pool:
            return await find_dataset(pool, name_or_id)

    async def delete(self, name_or_id: str) -> Removed:
        """Deletes a dataset in all versions, for good: rows, outcomes and stored IQ. Returns how much was deleted.

        Raises:
            UserError: there is no such dataset.
            Failed: the object store refuses.
            Unreachable: a server does not answer; called again, it finishes.
        """
        async with self._stores() as (pool, store):
            found = await find_dataset(pool, name_or_id)
            return await remove_dataset(pool, store, found.id)

    async def plan_cleanup(self, *, older_than: timedelta | None = None) -> Cleanup:
        """Returns what `cleanup` would delete, and deletes nothing.

        Args:
            older_than: also datasets that have been complete or cancelled for longer.

        Raises:
            Failed: Kafka or the object store refuses to tell.
            Unreachable: a server does not answer.
        """
        async with self._stores() as (pool, store), admin_client(self.settings) as admin:
            return await clean_up(admin, pool, store, older_than, execute=False)

    async def cleanup(self, *, older_than: timedelta | None = None) -> Cleanup:
        """Deletes what deleted datasets left, and their records in Kafka; returns what was deleted.

        Args:
            older_than: also datasets that have been complete or cancelled for longer.

        Raises:
            Failed: Kafka or the object store refuses; what went before is gone.
            Unreachable: a server does not answer; called again, it finishes.
        """
        async with self._stores() as (pool, store), admin_client(self.settings) as admin:
            return await clean_up(admin, pool, store, older_than, execute=True)

    @asynccontextmanager
    async def _stores(self) -> AsyncIterator[tuple[Pool, ObjectStore]]:
        store = object_store(self.settings)
        try:
            async with self._postgres() as pool:
                yield pool, store
        finally:
            store.close()
