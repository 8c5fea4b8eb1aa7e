"""A sample's recordings by their lineage: out of Kafka, or synthesised again where they have expired there."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from schemas import DatasetSpec, IQFrame, SchemaError, decode, frame_crc32
from sink.frames import FrameReader
from sink.join import SampleKey


class SynthesizedSample(Protocol):
    """What a generator returns for one sample."""

    @property
    def frames(self) -> Sequence[IQFrame]:
        """One per receiver."""


Synthesize = Callable[[DatasetSpec, int], SynthesizedSample]


class IQUnavailable(Exception):
    """A recording can be had neither from Kafka nor by synthesis; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSample:
    """A sample whose recordings are wanted."""

    key: SampleKey
    spec: DatasetSpec
    recorded: bool
    """Real recordings: no spec makes them again."""
    lineage: Mapping[str, Mapping[str, Any]]
    """By rx_id: topic, partition, offset and crc32 of the frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """Frames by rx_id, each of them proved by its crc32."""

    frames: Mapping[str, IQFrame]
    synthesized: frozenset[str]
    """Those that were made again."""


async def find_recordings(reader: FrameReader, synthesize: Synthesize, sample: RecordedSample) -> Recordings:
    """All recordings of a sample: from Kafka as far as it still has them, the others synthesised.

    Raises:
        IQUnavailable: one can be had neither way, or is not what its crc32 says.
        KafkaError: the broker refuses.
        TimeoutError: it does not answer.
    """
    frames = await _from_kafka(reader, sample)
    expired = frozenset(sample.lineage.keys() - frames.keys())
    if expired:
        frames |= await _from_spec(synthesize, sample, expired)
    return Recordings(frames=frames, synthesized=expired)


async def _from_kafka(reader: FrameReader, sample: RecordedSample) -> dict[str, IQFrame]:
    places: defaultdict[tuple[str, int], dict[int, str]] = defaultdict(dict)
    for rx_id, place in sample.lineage.items():
        places[place["topic"], place["partition"]][place["offset"]] = rx_id
    found: dict[str, IQFrame] = {}
    for (topic, partition), offsets in places.items():
        for offset, value in (await reader.read(topic, partition, offsets)).items():
            rx_id = offsets[offset]
            frame = proved_frame(value, sample.key, rx_id, sample.lineage[rx_id]["crc32"])
            if frame is not None:
                found[rx_id] = frame
    return found


async def _from_spec(synthesize: Synthesize, sample: RecordedSample, expired: frozenset[str]) -> dict[str, IQFrame]:
    if sample.recorded:
        raise IQUnavailable(
            f"the recordings of {', '.join(sorted(expired))} have expired in Kafka: ingest their files again"
        )
    try:
        synthesized = await asyncio.to_thread(synthesize, sample.spec, sample.key.sample_idx)
    except Exception as error:
        raise IQUnavailable(f"its frames have expired in Kafka, and synthesis fails: {error}") from error
    made = {frame.receiver.rx_id: frame for frame in synthesized.frames}
    for rx_id in sorted(expired):
        crc32 = sample.lineage[rx_id]["crc32"]
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
