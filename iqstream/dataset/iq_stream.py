"""IQStream: FeatureStream with the recordings themselves, of which none need be stored."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from iqstream.dataset.batch import Batch
from iqstream.dataset.batcher import Emission
from iqstream.dataset.iq_source import IQSource, open_iq_source
from iqstream.dataset.join import Joined
from iqstream.dataset.recording import lineage_of
from iqstream.dataset.specs import Specs
from iqstream.dataset.stream import FeatureStream
from iqstream.runtime.errors import Failed
from schemas import IQFrame
from sink.recordings import RecordedSample, Recordings

NO_IQ = np.complex64(complex(np.nan, np.nan))


class IQStream(FeatureStream):
    """Iterates `(x, y, meta)` of the accepted samples as `FeatureStream` does, with their IQ.

    x has besides: `iq` complex64 (n, r, s), s being the samples of the longest recording; |x|^2 is power in mW. NaN
    where there is no recording, and behind the end of a shorter one. One sample of seven receivers, one second long, is
    11 MB: choose `batch_size` by the memory that there is, which holds about four batches.
    meta has besides: `sample_rate_hz` and `center_frequency_hz` float64 (n,); `synthesized` bool (n, r): the frame had
    left Kafka and was made again from the dataset's spec.

    The features come from their topic. The IQ comes from the frames topic while it is there; later it is synthesised on
    this machine's cores and proved by the CRC-32 that was noted when its features were extracted: it is the same IQ, or
    the iteration raises `Failed`, which names the sample and the reason. Real recordings cannot be made again.

    PostgreSQL is asked for the datasets' specs, `limits` given or not. States are those of a FeatureStream, and go on
    with either.
    """

    _at_a_time = 1

    def _asks_postgres(self) -> bool:
        return True

    async def _completed(self, read: AsyncGenerator[Emission, None], specs: Specs) -> AsyncGenerator[Emission, None]:
        """Emissions in their order, as many recordings at once as there are cores."""
        cores = len(os.sched_getaffinity(0))
        waiting: deque[_Waiting] = deque()
        batches = 0
        async with open_iq_source(self._settings) as source, aclosing(read):
            try:
                async for emission in read:
                    batches += emission.batch is not None
                    wanted = emission.batch if self._is_turn(batches) else None
                    waiting.append(_Waiting(emission, _begun(source, specs, wanted)))
                    while sum(len(one.samples) for one in waiting) >= cores or not waiting[0].samples:
                        yield await _done(waiting.popleft())
                        if not waiting:
                            break
                while waiting:
                    yield await _done(waiting.popleft())
            finally:
                left = [task for one in waiting for task in one.samples]
                for task in left:
                    task.cancel()
                await asyncio.gather(*left, return_exceptions=True)


class _Waiting(NamedTuple):
    emission: Emission
    samples: Sequence[asyncio.Task[Recordings]]
    """Of the batch's rows; none where it is not wanted here."""


def _begun(source: IQSource, specs: Specs, batch: Batch | None) -> list[asyncio.Task[Recordings]]:
    if batch is None:
        return []
    present = batch.x["present"]
    return [
        asyncio.create_task(source.recordings(_recorded_sample(specs, sample, present[row])))
        for row, sample in enumerate(batch.meta["truth"].samples)
    ]


def _recorded_sample(specs: Specs, sample: Joined, present: npt.NDArray[np.bool_]) -> RecordedSample:
    """What is wanted of a sample: the recordings of the receivers that the reader is to see."""
    dataset = specs.dataset(sample.key.dataset)
    if dataset is None:
        raise Failed(
            f"sample {sample.key.sample_idx}: PostgreSQL does not know dataset {sample.key.dataset_id} version "
            f"{sample.key.dataset_version}, so its IQ cannot be found; use FeatureStream"
        )
    places = zip(sample.places, sample.values, present.tolist(), strict=False)  # `present` is as wide as the batch
    lineage = {place.rx_id: lineage_of(value) for place, value, there in places if there}
    return RecordedSample(
        key=sample.key,
        spec=dataset.spec,
        lineage={
            rx_id: {"topic": one.topic, "partition": one.partition, "offset": one.offset, "crc32": one.crc32}
            for rx_id, one in lineage.items()
        },
    )


async def _done(waiting: _Waiting) -> Emission:
    """The emission, its batch with IQ."""
    emission, batch = waiting.emission, waiting.emission.batch
    if batch is None or not waiting.samples:
        return emission
    found = await asyncio.gather(*waiting.samples)
    return emission._replace(batch=await asyncio.to_thread(_with_iq, batch, found))


def _with_iq(batch: Batch, recordings: Sequence[Recordings]) -> Batch:
    x, y, meta = batch
    rows, receivers = x["present"].shape
    frames: dict[tuple[int, int], IQFrame] = {}
    synthesized = np.zeros((rows, receivers), np.bool_)
    for row, (sample, found) in enumerate(zip(meta["truth"].samples, recordings, strict=True)):
        for at, place in enumerate(sample.places):
            if place.rx_id in found.frames:
                frames[row, at] = found.frames[place.rx_id]
                synthesized[row, at] = place.rx_id in found.synthesized
    samples = {where: frame.samples() for where, frame in frames.items()}
    iq = np.full((rows, receivers, max(map(len, samples.values()), default=0)), NO_IQ, np.complex64)
    figures: dict[str, npt.NDArray[Any]] = {
        name: np.full(rows, np.nan) for name in ("sample_rate_hz", "center_frequency_hz")
    }
    for (row, at), recorded in samples.items():
        iq[row, at, : len(recorded)] = recorded
        for name, values in figures.items():
            values[row] = getattr(frames[row, at], name)
    return Batch(x | {"iq": iq}, y, meta | figures | {"synthesized": synthesized})
