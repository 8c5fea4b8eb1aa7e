"""Stores the IQ of the chosen samples, and so finishes datasets. Any number of savers work side by side."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
from aiokafka.errors import KafkaError

from iqstream.runtime.errors import IqstreamError
from schemas import DatasetSpec, IQFrame, SchemaError, decode, frame_crc32
from sink.frames import FrameReader
from sink.join import DatasetKey, SampleKey
from sink.objects import ObjectStore
from sink.postgres import QUERIES, Completed, Connection, Pool, complete_if_done, lock_datasets

log = logging.getLogger(__name__)

POLL_EVERY_S = 1.0
RETRY_FIRST_S = 1.0
RETRY_MOST_S = 300.0
RETRY_OUTAGE_S = 1.0


class SynthesizedSample(Protocol):
    """What a generator returns for one sample."""

    @property
    def frames(self) -> Sequence[IQFrame]:
        """One per receiver."""


Synthesize = Callable[[DatasetSpec, int], SynthesizedSample]


class IQUnavailable(Exception):
    """A recording can be had neither from Kafka nor by synthesis; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A claimed sample: its row is locked as long as the claim's transaction lasts."""

    sample: SampleKey
    attempts: int
    spec: DatasetSpec
    recorded: bool
    lineage: Mapping[str, Mapping[str, Any]]


class Saver:
    """One claim at a time: fetch the sample's frames, write its objects, mark it saved."""

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
            while await self.save_next():
                pass
            try:
                await asyncio.wait_for(self._wake.wait(), POLL_EVERY_S)
            except TimeoutError:
                continue

    async def save_next(self) -> bool:
        """Saves one chosen sample that no other saver works on; False if there is none, or a server is away.

        What goes wrong with a sample's IQ is noted beside it and tried again: later and later, unless a
        server was away.
        """
        removed: SampleKey | None = None
        completed: Completed | None = None
        async with self._pool.acquire() as connection, connection.transaction():
            # 1. Claim: the row lock ends with this transaction, however we end.
            await connection.execute(QUERIES["allow_long_wait"])
            task = await _claim(connection)
            if task is None:
                return False
            # 2. Fetch or make the recordings, and write them under the names that are theirs.
            try:
                await self._store_objects(task)
            except IQUnavailable as error:
                seconds = min(RETRY_FIRST_S * 2.0 ** min(task.attempts, 16), RETRY_MOST_S)
                await _postpone(connection, task, error, seconds)
                return True
            except (IqstreamError, KafkaError, TimeoutError, OSError) as error:
                await _postpone(connection, task, error, RETRY_OUTAGE_S)
                return False  # the next sample would fare no better
            # 3. Only now is it saved; the last one completes the dataset.
            if await _deleted_meanwhile(connection, task.sample):
                await connection.execute(QUERIES["forget_iq_save"], *task.sample)
                removed = task.sample
            else:
                await connection.execute(QUERIES["mark_iq_saved"], *task.sample)
                completed = await complete_if_done(connection, task.sample.dataset)
        if removed is not None:
            await self._store.remove_sample(removed.dataset_id, removed.sample_idx)
        if completed is not None:
            announce(completed)
        return True

    async def _store_objects(self, task: Task) -> None:
        recordings = await self._recordings(task)
        written = await asyncio.gather(
            *(
                self._store.put_iq(task.sample.dataset_id, task.sample.sample_idx, rx_id, samples)
                for rx_id, samples in recordings.items()
            ),
            return_exceptions=True,  # all have ended when we go on: none writes behind our back
        )
        for failure in written:
            if failure is not None:
                raise failure

    async def _recordings(self, task: Task) -> dict[str, npt.NDArray[np.complex64]]:
        """By rx_id, from Kafka as far as it still has them, the others synthesised; each proved by its crc32."""
        frames = await self._from_kafka(task)
        expired = task.lineage.keys() - frames.keys()
        if expired:
            frames |= await self._from_spec(task, expired)
        return {rx_id: frame.samples() for rx_id, frame in frames.items()}

    async def _from_kafka(self, task: Task) -> dict[str, IQFrame]:
        places: defaultdict[tuple[str, int], dict[int, str]] = defaultdict(dict)
        for rx_id, place in task.lineage.items():
            places[place["topic"], place["partition"]][place["offset"]] = rx_id
        found: dict[str, IQFrame] = {}
        for (topic, partition), offsets in places.items():
            for offset, value in (await self._frames.read(topic, partition, offsets)).items():
                rx_id = offsets[offset]
                frame = proved_frame(value, task.sample, rx_id, task.lineage[rx_id]["crc32"])
                if frame is not None:
                    found[rx_id] = frame
        return found

    async def _from_spec(self, task: Task, expired: set[str]) -> dict[str, IQFrame]:
        if task.recorded:
            raise IQUnavailable(
                f"the recordings of {', '.join(sorted(expired))} have expired in Kafka: ingest their files again"
            )
        try:
            sample = await asyncio.to_thread(self._synthesize, task.spec, task.sample.sample_idx)
        except Exception as error:
            raise IQUnavailable(f"its frames have expired in Kafka, and synthesis fails: {error}") from error
        made = {frame.receiver.rx_id: frame for frame in sample.frames}
        for rx_id in sorted(expired):
            crc32 = task.lineage[rx_id]["crc32"]
            if rx_id not in made or frame_crc32(made[rx_id]) != crc32:
                raise IQUnavailable(
                    f"the frame of {rx_id} has expired in Kafka, and its synthesis does not give the crc32 "
                    f"{crc32} of its lineage"
                )
        return {rx_id: made[rx_id] for rx_id in expired}


def proved_frame(value: bytes, sample: SampleKey, rx_id: str, crc32: int | None) -> IQFrame | None:
    """The frame, if the bytes are those that the lineage speaks of (a topic may have been made anew)."""
    try:
        frame = decode(value, IQFrame)
    except SchemaError:
        return None
    same = (frame.dataset_id, frame.sample_idx, frame.receiver.rx_id) == (
        sample.dataset_id,
        sample.sample_idx,
        rx_id,
    )
    return frame if same and frame_crc32(frame) == crc32 else None


def announce(completed: Completed) -> None:
    """Logs that a dataset is complete: accepted samples, and samples whose IQ is stored."""
    log.info(
        "Generation complete: %d samples, %d IQ samples saved to MinIO",
        completed.accepted,
        completed.iq_samples_saved,
        extra={"dataset": completed.dataset.dataset_id, "dataset_name": completed.name},
    )


async def _claim(connection: Connection) -> Task | None:
    row = await connection.fetchrow(QUERIES["claim_iq_save"])
    if row is None:
        return None
    return Task(
        sample=SampleKey(row["dataset_id"], row["dataset_version"], row["sample_idx"]),
        attempts=row["attempts"],
        spec=msgspec.json.decode(row["spec"], type=DatasetSpec),
        recorded=row["recorded"],
        lineage=msgspec.json.decode(row["lineage"]),
    )


async def _postpone(connection: Connection, task: Task, error: Exception, seconds: float) -> None:
    reason = f"{type(error).__name__}: {error}"
    log.warning("IQ of sample %d of dataset %s is not saved, next try in %.0f s: %s",
                task.sample.sample_idx, task.sample.dataset_id, seconds, reason)  # fmt: skip
    await connection.execute(
        QUERIES["postpone_iq_save"], *task.sample, reason[:2000].replace("\0", ""), timedelta(seconds=seconds)
    )


async def _deleted_meanwhile(connection: Connection, sample: SampleKey) -> bool:
    """Locks the dataset, as everybody does before its counters move, and looks whether it is still wanted."""
    dataset = DatasetKey(sample.dataset_id, sample.dataset_version)
    state = (await lock_datasets(connection, [dataset])).get(dataset)
    return state is None or state.status == "deleted"
