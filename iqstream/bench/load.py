"""Keeps the stages busy: the same dataset again and again under new ids, as long as a bench wants work."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import msgspec

from iqstream.bench.watch import Away
from iqstream.catalogue.connection import connect
from iqstream.catalogue.counts import decided_of_all
from iqstream.catalogue.datasets import get_dataset
from iqstream.catalogue.new_datasets import create_dataset
from iqstream.reach import postgres_pool
from iqstream.runtime.errors import Failed
from iqstream.runtime.settings import Settings
from iqstream.submit.submission import resume
from schemas import DatasetSpec

POLL_S = 0.2
STUCK_AFTER_S = 90.0


class Load:
    """Datasets of one spec, submitted whenever little of the earlier ones is left.

    Every second one is without frames. Of either kind every second one has time differences, of those without frames
    the first.
    """

    def __init__(self, settings: Callable[[], Settings], spec: DatasetSpec, *, in_flight: int, every_s: float) -> None:
        """How much work to keep up.

        Args:
            settings: the way to the servers now.
            spec: of every dataset.
            in_flight: submit another one while fewer samples than this are undecided.
            every_s: but not more often than this, so that the machine has room for starting processes.
        """
        self.specs: list[DatasetSpec] = []
        self._settings = settings
        self._spec = spec
        self._in_flight = in_flight
        self._every_s = every_s

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Load"]:
        """Submits while the context lasts; the stages have work when it is entered.

        What ends the submissions ends the context at once: a bench without work would only find every stage idle.
        """
        await self.submit_another()
        enough = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._feed(enough))
                yield self
                enough.set()
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def submit_another(self) -> None:
        """Submits a dataset, resuming it until an outage lets it through: its shards are there exactly once."""
        number = len(self.specs) + 1
        spec = new_dataset(self._spec, f"bench {number}")
        spec = msgspec.structs.replace(
            spec, publish="features" if number % 2 == 0 else "frames", pairs=number % 4 in {2, 3}
        )
        self.specs.append(spec)
        await submit_through_outages(self._settings, spec)

    async def all_complete(self) -> None:
        """Waits until every dataset is complete.

        Raises:
            Failed: nothing was decided for a minute and a half.
        """
        clock = asyncio.get_running_loop().time
        moved_at, before = clock(), (-1, -1)
        while True:
            now = await self._figures()
            if now is not None:
                if now[1] == len(self.specs):
                    return
                if now != before:
                    moved_at, before = clock(), now
            if clock() - moved_at > STUCK_AFTER_S:
                raise Failed(
                    f"{len(self.specs) - before[1]} of {len(self.specs)} datasets never complete: "
                    f"{before[0]} of {self.samples} samples are decided, and nothing more in {STUCK_AFTER_S:.0f} s"
                )
            await asyncio.sleep(POLL_S)

    @property
    def samples(self) -> int:
        """Samples submitted so far."""
        return len(self.specs) * self._spec.samples

    async def _feed(self, enough: asyncio.Event) -> None:
        """Ends between submissions: one that was cancelled half-way would never complete."""
        while not enough.is_set():
            figures = await self._figures()
            if figures is not None and self.samples - figures[0] < self._in_flight:
                await self.submit_another()
                await asyncio.sleep(self._every_s)
            await asyncio.sleep(POLL_S)

    async def _figures(self) -> tuple[int, int] | None:
        """Samples decided and datasets complete; None while PostgreSQL is away."""
        with contextlib.suppress(*Away):
            connection = await connect(self._settings().postgres_dsn, timeout_s=5, command_timeout=5)
            try:
                found = await decided_of_all(connection, [spec.dataset_id for spec in self.specs])
            finally:
                await connection.close(timeout=5)
            return found.samples, found.complete
        return None


def new_dataset(spec: DatasetSpec, name: str) -> DatasetSpec:
    """The spec under a new id: everything in its samples but the ids stays the same."""
    identity = str(uuid4())
    return msgspec.structs.replace(spec, dataset_id=identity, name=f"{name} {identity[:8]}")


async def submit_through_outages(settings: Callable[[], Settings], spec: DatasetSpec) -> None:
    """Submits, and after an interruption resumes, until it is done; frames that the topic does not take, too."""
    while True:
        try:
            async with postgres_pool(settings()) as pool:
                if await get_dataset(pool, spec.dataset_id, spec.dataset_version) is None:
                    await create_dataset(pool, spec)
                await resume(settings(), pool, spec)
        except Away:
            await asyncio.sleep(POLL_S)
        else:
            return
