"""The front door for asynchronous code. Every call connects to what it needs, and to nothing longer than it takes.

Within `async with` the connections to PostgreSQL are kept from call to call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from types import TracebackType
from typing import Self

from iqstream.catalogue.dataset_names import describe_dataset, rename_dataset
from iqstream.catalogue.dataset_status import set_status
from iqstream.catalogue.datasets import (
    OPEN,
    Dataset,
    dataset_versions,
    datasets_mark,
    find_dataset,
    generated_spec,
    list_datasets,
    same_recordings,
    version_under_way,
)
from iqstream.catalogue.failures import failure_counts
from iqstream.catalogue.iq_saves import why_iq_is_lost
from iqstream.catalogue.new_datasets import check_words, create_dataset
from iqstream.catalogue.outcomes import outcome_counts_by_reason
from iqstream.catalogue.postgres import Pool
from iqstream.client.calls import ignore, log
from iqstream.client.dead_letters import DeadLetterCalls
from iqstream.client.ingesting import IngestCalls
from iqstream.client.lag import LagCalls
from iqstream.client.recordings import RecordingCalls
from iqstream.client.replays import ReplayCalls
from iqstream.client.results import DatasetReport, DatasetVersions, Resumed, Submission
from iqstream.client.stored import StoredCalls
from iqstream.client.truth import TruthCalls
from iqstream.client.upkeep import UpkeepCalls
from iqstream.dataset_figures import dataset_figures
from iqstream.runtime.errors import Conflict, UserError
from iqstream.runtime.readable import Rows
from iqstream.runtime.settings import Settings, load_settings, only_embedded
from iqstream.shards import SUBMITTED_VERSION
from iqstream.submit.continuous import Tick, end_growth, grow
from iqstream.submit.estimate import Estimate, estimate
from iqstream.submit.extend import Extended, extend_dataset
from iqstream.submit.publishable import check_publishable
from iqstream.submit.rate import samples_per_s
from iqstream.submit.room import check_room_for
from iqstream.submit.spec import first_hour, read_terrain
from iqstream.submit.submission import resume, submit
from iqstream.watch.event import WatchEvent
from iqstream.watch.watch import watch_dataset
from schemas import DatasetSpec, Receiver
from schemas.terrain import Terrain


def aconnect(
    settings: Settings | None = None,
    *,
    state_dir: Path | str | None = None,
    tell: Callable[[str], None] = log.info,
) -> AsyncClient:
    """Returns a client of the servers that the settings name. It connects when something is asked of it.

    Args:
        settings: where the servers are; if not given, what the environment and the state directory say.
        state_dir: the embedded servers of this directory instead, wherever the environment leads.
        tell: is told in a sentence what was chosen where several things were possible: which version of a dataset.

    Raises:
        UserError: a setting is wrong or missing; lists all of them.
    """
    if settings is not None and state_dir is not None:
        raise UserError("settings and state_dir both say where the servers are: give one of them")
    if settings is None:
        settings = load_settings() if state_dir is None else load_settings(only_embedded(Path(state_dir)))
    return AsyncClient(settings, tell=tell)


class AsyncClient(
    ReplayCalls, DeadLetterCalls, StoredCalls, TruthCalls, RecordingCalls, IngestCalls, LagCalls, UpkeepCalls
):
    """What people do with iqstream. Errors are those of `iqstream.runtime.errors`."""

    async def __aenter__(self) -> Self:
        self._open = AsyncExitStack()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        kept, self._open, self._kept = self._open, None, None
        if kept is not None:
            await kept.aclose()

    async def datasets(self, *, include_deleted: bool = False) -> Rows[Dataset]:
        """Returns all datasets in all versions, newest first.

        Raises:
            Unreachable: PostgreSQL does not answer.
        """
        async with self._postgres() as pool:
            return Rows(await list_datasets(pool, include_deleted=include_deleted))

    async def datasets_mark(self) -> str:
        """Returns text that is another one after any dataset was made, has moved or was deleted; costs next to nothing.

        Raises:
            Unreachable: PostgreSQL does not answer.
        """
        async with self._postgres() as pool:
            return await datasets_mark(pool)

    async def versions(self, name_or_id: str, *, version: int | None = None) -> DatasetVersions:
        """Returns a dataset with its counts, and its versions: what `dataset` tells without looking at its samples.

        Args:
            name_or_id: which dataset.
            version: of it; if not given, the newest that is whole.

        Raises:
            UserError: there is none, or several have that name.
            Unreachable: PostgreSQL does not answer.
        """
        async with self._postgres() as pool:
            found = await find_dataset(pool, name_or_id, version=version, tell=self._tell)
            return DatasetVersions(dataset=found, versions=Rows(await dataset_versions(pool, found.id)))

    async def dataset(self, name_or_id: str, *, version: int | None = None) -> DatasetReport:
        """Returns a dataset: versions, settings, counts, why samples were rejected or failed, SNR, distances, sizes.

        Args:
            name_or_id: which dataset.
            version: of it; if not given, the newest that is whole.

        Raises:
            UserError: there is none, or several have that name.
            Unreachable: PostgreSQL does not answer.
        """
        async with self._postgres() as pool:
            found = await find_dataset(pool, name_or_id, version=version, tell=self._tell)
            return DatasetReport(
                dataset=found,
                versions=Rows(await dataset_versions(pool, found.id)),
                outcomes=Rows(await outcome_counts_by_reason(pool, found.id, found.version)),
                failures=Rows(await failure_counts(pool, found.id, found.version)),
                figures=await dataset_figures(pool, found),
                iq_lost=await why_iq_is_lost(pool, found.id, found.version),
            )

    async def cancel(self, name_or_id: str, *, version: int | None = None) -> Dataset:
        """Cancels a dataset: what is stored stays, what is not made yet never will be. Returns it as it was.

        Args:
            name_or_id: which dataset.
            version: of it; if not given, the newest under way.

        Raises:
            UserError: there is none, or it is not under way.
            Unreachable: PostgreSQL does not answer.
        """
        async with self._postgres() as pool:
            found = await find_dataset(pool, name_or_id, version=version, prefer=version_under_way, tell=self._tell)
            if not await set_status(pool, found.id, found.version, "cancelled"):
                raise Conflict(f"dataset {found.name!r} is {found.status} already: there is nothing to cancel")
            return found

    async def check(self, spec: DatasetSpec) -> None:
        """Checks whether a dataset can be made, and makes none.

        Raises:
            UserError: its name is not fit to be one, a frame or a shard is larger than its topic takes, or the emission
                wider than what is recorded.
            Unreachable: Kafka does not answer, or has none of our topics.
        """
        check_words(spec)
        await check_publishable(self.settings, spec)

    async def estimate(self, spec: DatasetSpec) -> Estimate:
        """Returns what a dataset will cost and give, before it is submitted: accepted samples, disk, time.

        Acceptance is told from a few hundred link budgets, time from the samples that this stack made last.

        Raises:
            Unreachable: PostgreSQL does not answer.
        """
        from producer.tile_directory import tiles_in  # brings the producer's kernels

        async with self._postgres() as pool:
            speed = await samples_per_s(pool, spec)
        tiles = tiles_in(self.settings.terrain_dir)
        return await asyncio.to_thread(estimate, spec, self.settings, samples_per_s=speed, tiles=tiles)

    async def terrain(self, receivers: Sequence[Receiver], margin_deg: float) -> Terrain:
        """Returns the ground that the tiles of the settings' terrain directory give around receivers.

        Args:
            receivers: the network.
            margin_deg: how far around it transmitters may stand, `scenario.margin_deg`.

        Raises:
            UserError: the settings name no directory, the tile of a receiver is missing there, or a file is no tile.
        """
        directory = self.settings.terrain_dir
        if not directory:
            raise UserError("terrain: there are no tiles here: IQSTREAM_TERRAIN_DIR names no directory")
        return await asyncio.to_thread(read_terrain, Path(directory), receivers, margin_deg)

    async def submit(self, spec: DatasetSpec, *, reuse_name: bool = False, description: str = "") -> Submission:
        """Submits a dataset; the running stages generate, extract, filter and store its samples.

        Args:
            spec: what to make: `iqstream.make_spec(name=..., samples=...)`.
            reuse_name: allow a name that another dataset has.
            description: what it is for.

        Raises:
            UserError: the name is in use or not fit to be one, the disk has no room, or no frame of it can be
                published.
            Unreachable: a server does not answer; `resume` submits the rest.
        """
        check_words(spec, description)
        check_room_for(spec, self.settings)
        async with self._postgres() as pool:
            await submit(self.settings, pool, spec, reuse_name=reuse_name, description=description)
            return Submission(spec=spec, same_recordings=Rows(await same_recordings(pool, spec)))

    async def begin_growth(
        self, spec: DatasetSpec, rate_per_s: float, *, reuse_name: bool = False, description: str = ""
    ) -> Submission:
        """Begins a dataset that grows; nothing is submitted before `grow`.

        Args:
            spec: what to make; its `samples` are at most.
            rate_per_s: samples per second that will be submitted.
            reuse_name: allow a name that another dataset has.
            description: what it is for.

        Raises:
            UserError: as `submit`.
            Unreachable: a server does not answer.
        """
        check_words(spec, description)
        check_room_for(first_hour(spec, rate_per_s), self.settings)
        await check_publishable(self.settings, spec)
        async with self._postgres() as pool:
            await create_dataset(pool, spec, reuse_name=reuse_name, status="running", description=description)
            return Submission(spec=spec, same_recordings=Rows(await same_recordings(pool, spec)))

    async def grow(
        self,
        spec: DatasetSpec,
        rate_per_s: float,
        *,
        stop: asyncio.Event,
        on_tick: Callable[[Tick], None] = ignore,
        on_outage: Callable[[str], None] = ignore,
    ) -> Dataset:
        """Submits samples of a dataset that grows until `stop` is set or somebody ends it; then ends it.

        Args:
            spec: of a dataset that was begun.
            rate_per_s: samples per second; never more than the stages keep up with.
            stop: ends the dataset at what was submitted.
            on_tick: is given how it stands, once a second.
            on_outage: is told what is waited for.

        Raises:
            Failed: another one submits to the dataset since.
            Unreachable: a server is away at the end. The dataset still runs.
        """
        async with self._postgres() as pool:
            return await grow(self.settings, pool, spec, rate_per_s, stop=stop, on_tick=on_tick, on_outage=on_outage)

    async def resume(self, name_or_id: str) -> Resumed:
        """Submits the rest of a dataset whose submission was interrupted. Safe at any time: nothing is made twice.

        Raises:
            UserError: there is no such dataset, it has ended, or it grows.
            Unreachable: a server does not answer.
        """
        async with self._postgres() as pool:
            found = await _resumable(pool, name_or_id)
            if found.is_growing:
                generated_spec(found)
                raise Conflict(
                    f"dataset {found.name!r} grows: `iqstream datasets resume {found.id} --rate 5/s` continues it, "
                    f"`iqstream datasets end {found.id}` ends it at what was submitted"
                )
            shards = await resume(self.settings, pool, generated_spec(found)) if found.status == "submitting" else 0
            return Resumed(dataset=found, shards=shards)

    async def resume_growth(self, name_or_id: str) -> Dataset:
        """Returns a dataset that grows, for `grow` to go on with.

        Raises:
            UserError: there is no such dataset, or it does not grow.
            Unreachable: PostgreSQL does not answer.
        """
        async with self._postgres() as pool:
            found = await _resumable(pool, name_or_id)
            if not found.is_growing:
                raise Conflict(f"dataset {found.name!r} does not grow: resume it without a rate")
            generated_spec(found)
            return found

    async def end(self, name_or_id: str) -> Dataset:
        """Ends a dataset that grows at what was submitted; returns it. It is complete when that is decided.

        Raises:
            UserError: there is no such dataset, or it does not grow.
            Unreachable: a server does not answer.
        """
        async with self._postgres() as pool:
            found = await find_dataset(pool, name_or_id, version=SUBMITTED_VERSION)
            if not found.is_growing:
                how = "was submitted whole" if found.status in OPEN else f"is {found.status}"
                raise Conflict(f"dataset {found.name!r} {how}: only one that grows is ended")
            return await end_growth(self.settings, pool, found.spec)

    async def extend(self, name_or_id: str, *, to: int | None = None, by: int | None = None) -> Extended:
        """Makes a dataset larger: the same settings, the next samples, in the same order as if it had been made so.

        What is stored stays as it is, and so do the choice of kept IQ and every sample's split.

        Args:
            name_or_id: which dataset.
            to: samples that it shall have in all.
            by: samples to add, instead.

        Raises:
            UserError: there is no such dataset, it grows or has ended, or it has so many samples already.
            Unreachable: a server does not answer; `resume` submits the rest.
        """
        if (to is None) == (by is None):
            raise UserError("to and by both say how many samples: give one of them")
        async with self._postgres() as pool:
            found = await find_dataset(pool, name_or_id, version=SUBMITTED_VERSION)
            samples = found.requested + by if by is not None else to
            assert samples is not None  # noqa: S101  # one of both is given
            return await extend_dataset(self.settings, pool, found, samples)

    async def rename(self, name_or_id: str, name: str, *, reuse_name: bool = False) -> Dataset:
        """Gives a dataset another name, in all versions. Returns it as it was.

        Raises:
            UserError: there is no such dataset, or the name is in use (`reuse_name` allows that) or not fit to be one.
            Unreachable: PostgreSQL does not answer.
        """
        async with self._postgres() as pool:
            found = await find_dataset(pool, name_or_id)
            await rename_dataset(pool, found, name, reuse_name=reuse_name)
            return found

    async def describe(self, name_or_id: str, description: str) -> Dataset:
        """Notes what a dataset is for, in all versions; empty text: nothing. Returns it as it was.

        Raises:
            UserError: there is no such dataset, or the text is too long or holds control characters.
            Unreachable: PostgreSQL does not answer.
        """
        async with self._postgres() as pool:
            found = await find_dataset(pool, name_or_id)
            await describe_dataset(pool, found, description)
            return found

    async def watch(self, name_or_id: str, *, version: int | None = None) -> AsyncGenerator[WatchEvent, None]:
        """Iterates readings of a dataset's progress, twice a second, until nothing more of it will come.

        Args:
            name_or_id: which dataset.
            version: of it; if not given, the newest under way.

        Raises:
            UserError: there is none, or several have that name.
            Unreachable: a server does not answer at the start, or stays away for too long.
        """
        async with self._postgres() as pool:
            found = await find_dataset(pool, name_or_id, version=version, prefer=version_under_way, tell=self._tell)
        async with aclosing(watch_dataset(self.settings, found.id, version=found.version)) as events:
            async for event in events:
                yield event


async def _resumable(pool: Pool, name_or_id: str) -> Dataset:
    found = await find_dataset(pool, name_or_id, version=SUBMITTED_VERSION)
    if found.status not in OPEN:
        raise Conflict(f"dataset {found.name!r} is {found.status}: there is nothing to resume")
    return found
