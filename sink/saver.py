"""Stores the IQ of the chosen samples, and so finishes datasets. Any number of savers work side by side."""

import asyncio
import logging
from datetime import timedelta

import msgspec
from aiokafka.errors import KafkaError

from iqstream.catalogue.iq_saves import (
    ClaimedSave,
    claim_iq_save,
    end_long_wait,
    forget_iq_save,
    give_up_iq_save,
    mark_iq_saved,
    postpone_iq_save,
)
from iqstream.catalogue.locked import Completed, complete_if_done, lock_datasets
from iqstream.catalogue.postgres import Connection, Pool
from iqstream.catalogue.refusals import is_refusal
from iqstream.runtime.errors import IqstreamError
from schemas import DatasetKey, SampleKey, read_spec
from sink.frames import FrameReader
from sink.objects import ObjectStore
from sink.recordings import IQUnavailable, RecordedSample, Synthesize, find_recordings
from sink.verdict import storable

log = logging.getLogger(__name__)

SAVES_AT_ONCE = 4
"""A save waits for Kafka, the store and PostgreSQL in turns: several fill each other's waits."""
POLL_EVERY_S = 1.0
RETRY_FIRST_S = 1.0
RETRY_MOST_S = 300.0
RETRY_OUTAGE_S = 1.0
GIVE_UP_AFTER_ATTEMPTS = 5
"""At a sample's recordings, over 15 s: another saver, of another release or with the tiles, may have them meanwhile."""


class Saver:
    """A few claims at a time: fetch the sample's frames, write its objects, mark it saved."""

    def __init__(
        self,
        *,
        pool: Pool,
        store: ObjectStore,
        frames: FrameReader,
        synthesize: Synthesize,
        wake: asyncio.Event,
    ) -> None:
        self._pool = pool
        self._store = store
        self._frames = frames
        self._synthesize = synthesize
        self._wake = wake

    async def run(self) -> None:
        """Saves whatever is chosen, until cancelled; looks again when woken, and every second."""
        while True:
            self._wake.clear()
            if await self.save_next():
                await self._save_all()
            try:
                async with asyncio.timeout(POLL_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _save_all(self) -> None:
        """Saves until nothing is left to claim, or a server is away; the first error ends all of it."""

        async def one_after_the_other() -> None:
            while await self.save_next():
                pass

        try:
            async with asyncio.TaskGroup() as saves:
                for _ in range(SAVES_AT_ONCE):
                    saves.create_task(one_after_the_other())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def save_next(self) -> bool:
        """Saves one chosen sample that no other saver works on; False if there is none, or a server is away.

        What goes wrong with a sample's IQ is noted beside it and tried again: later and later, unless a
        server was away. Recordings that can be had in no way are given up, and waited for no longer.
        """
        removed: SampleKey | None = None
        completed: Completed | None = None
        async with self._pool.acquire() as connection, connection.transaction():
            # 1. Claim: the row lock ends with this transaction, however we end.
            claimed = await claim_iq_save(connection)
            if claimed is None:
                return False
            key, attempts = claimed.sample, claimed.attempts
            # 2. Fetch or make the recordings, and write them under the names that are theirs.
            try:
                lost = await self._try_to_store(claimed)
            except (IqstreamError, KafkaError, TimeoutError, OSError) as error:
                await _postpone(connection, key, error, RETRY_OUTAGE_S, counts=False)
                return False  # the next sample would fare no better
            if lost is not None and attempts + 1 < GIVE_UP_AFTER_ATTEMPTS:
                await _postpone(connection, key, lost, _later_s(attempts))
                return True
            # 3. Only now is it saved, or given up; the last one completes the dataset. From here on the dataset is
            #    locked, and everybody waits: frozen now, we lose the transaction as soon as any frozen worker does.
            await end_long_wait(connection)
            if await _deleted_meanwhile(connection, key):
                await forget_iq_save(connection, key)
                removed = key
            else:
                try:
                    async with connection.transaction():
                        await _note_end(connection, key, lost)
                        completed = await complete_if_done(connection, key.dataset)
                except Exception as error:
                    if not is_refusal(error):
                        raise
                    await _postpone(connection, key, error, _later_s(attempts))
        if removed is not None:
            await self._store.remove_sample(removed.dataset_id, removed.sample_idx)
        if completed is not None:
            announce(completed)
        return True

    async def _try_to_store(self, claimed: ClaimedSave) -> Exception | None:
        """Why the sample's recordings cannot be had; None once their objects are written."""
        try:
            await self._store_objects(_recorded_sample(claimed))
        except (IQUnavailable, msgspec.DecodeError) as error:
            return error
        return None

    async def _store_objects(self, sample: RecordedSample) -> None:
        recordings = await find_recordings(self._frames, self._synthesize, sample)
        written = await asyncio.gather(
            *(
                self._store.put_iq(sample.key.dataset_id, sample.key.sample_idx, rx_id, frame.samples())
                for rx_id, frame in recordings.frames.items()
            ),
            return_exceptions=True,  # all have ended when we go on: none writes behind our back
        )
        for failure in written:
            if failure is not None:
                raise failure


def announce(completed: Completed) -> None:
    """Logs that a dataset is complete: accepted samples, and samples whose IQ is stored."""
    log.info(
        "Generation complete: %d samples, %d IQ samples saved to MinIO",
        completed.accepted,
        completed.iq_samples_saved,
        extra={"dataset": completed.dataset.dataset_id, "dataset_name": completed.name},
    )
    if completed.iq_samples_lost:
        log.warning(
            "the IQ of %d samples cannot be had: `iqstream datasets show %s` says why",
            completed.iq_samples_lost, completed.dataset.dataset_id,
        )  # fmt: skip


def _recorded_sample(claimed: ClaimedSave) -> RecordedSample:
    return RecordedSample(
        key=claimed.sample,
        spec=read_spec(claimed.spec, recorded=claimed.recorded),
        lineage=msgspec.json.decode(claimed.lineage),
    )


def _later_s(attempts: int) -> float:
    return min(RETRY_FIRST_S * 2.0 ** min(attempts, 16), RETRY_MOST_S)


async def _postpone(
    connection: Connection, key: SampleKey, error: Exception, seconds: float, *, counts: bool = True
) -> None:
    log.warning("IQ of sample %d of dataset %s is not saved, next try in %.0f s: %s",
                key.sample_idx, key.dataset_id, seconds, _reason(error))  # fmt: skip
    await postpone_iq_save(connection, key, _reason(error), timedelta(seconds=seconds), counts=counts)


async def _note_end(connection: Connection, key: SampleKey, lost: Exception | None) -> None:
    """The sample's IQ is saved, or lost and why."""
    if lost is None:
        await mark_iq_saved(connection, key)
        return
    log.warning("IQ of sample %d of dataset %s cannot be had, and is given up: %s",
                key.sample_idx, key.dataset_id, _reason(lost))  # fmt: skip
    await give_up_iq_save(connection, key, _reason(lost))


def _reason(error: Exception) -> str:
    return storable(f"{type(error).__name__}: {error}"[:2000])


async def _deleted_meanwhile(connection: Connection, sample: SampleKey) -> bool:
    """Locks the dataset, as everybody does before its counters move, and looks whether it is still wanted."""
    dataset = DatasetKey(sample.dataset_id, sample.dataset_version)
    state = (await lock_datasets(connection, [dataset])).get(dataset)
    return state is None or state.status == "deleted"
