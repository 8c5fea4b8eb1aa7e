"""A sample's recordings by their lineage: their frames in Kafka, or synthesised again where there are none."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from iqstream.runtime.topics import JOBS
from schemas import DatasetSpec, IQFrame, SampleKey, SchemaError, Spec, decode, frame_crc32


class SynthesizedSample(Protocol):
    """What a generator returns for one sample."""

    @property
    def frames(self) -> Sequence[IQFrame]:
        """One per receiver."""


class Frames(Protocol):
    """What reads frames out of Kafka, as `sink.frames.FrameReader` does."""

    async def read(self, topic: str, partition: int, offsets: Collection[int]) -> dict[int, bytes]:
        """The values at those offsets; the ones that are not there any more are left out."""


Synthesize = Callable[[DatasetSpec, int], SynthesizedSample]


class IQUnavailable(Exception):
    """A recording can be had neither from Kafka nor by synthesis; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSample:
    """A sample whose recordings are wanted."""

    key: SampleKey
    spec: Spec
    """No `RecordedSpec` makes a recording again."""
    lineage: Mapping[str, Mapping[str, Any]]
    """By rx_id: topic, partition and offset of the frame, or of the shard where none was published; crc32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """Frames by rx_id, each of them proved by its crc32."""

    frames: Mapping[str, IQFrame]
    synthesized: frozenset[str]
    """Those that were made again."""
    missing: Mapping[str, str]
    """Why there is none, for those that could be had neither way."""


async def find_recordings(reader: Frames, synthesize: Synthesize, sample: RecordedSample) -> Recordings:
    """All recordings of a sample, as `look_for_recordings` finds them.

    Raises:
        IQUnavailable: one is missing.
        KafkaError: the broker refuses.
        TimeoutError: it does not answer.
    """
    found = await look_for_recordings(reader, synthesize, sample)
    if found.missing:
        raise IQUnavailable("; ".join(found.missing.values()))
    return found


async def look_for_recordings(reader: Frames, synthesize: Synthesize, sample: RecordedSample) -> Recordings:
    """The recordings of a sample: from Kafka as far as it has them, the others synthesised.

    Raises:
        KafkaError: the broker refuses.
        TimeoutError: it does not answer.
    """
    frames = await _from_kafka(reader, sample)
    wanted = sorted(sample.lineage.keys() - frames.keys())
    made: dict[str, IQFrame] = {}
    missing: dict[str, str] = {}
    if wanted and isinstance(sample.spec, DatasetSpec):
        made, missing = await _from_spec(synthesize, sample, sample.spec, wanted)
    elif wanted:
        missing = {
            rx_id: f"the recording of {rx_id} is not in Kafka any more: ingest its file again, into a new dataset"
            for rx_id in wanted
        }
    return Recordings(frames=frames | made, synthesized=frozenset(made), missing=missing)


async def _from_kafka(reader: Frames, sample: RecordedSample) -> dict[str, IQFrame]:
    places: defaultdict[tuple[str, int], dict[int, str]] = defaultdict(dict)
    for rx_id, place in sample.lineage.items():
        if place["topic"] != JOBS:  # a shard is no frame, and all recordings of its samples share its offset
            places[place["topic"], place["partition"]][place["offset"]] = rx_id
    found: dict[str, IQFrame] = {}
    for (topic, partition), offsets in places.items():
        for offset, value in (await reader.read(topic, partition, offsets)).items():
            rx_id = offsets[offset]
            frame = proved_frame(value, sample.key, rx_id, sample.lineage[rx_id]["crc32"])
            if frame is not None:
                found[rx_id] = frame
    return found


async def _from_spec(
    synthesize: Synthesize, sample: RecordedSample, spec: DatasetSpec, wanted: Sequence[str]
) -> tuple[dict[str, IQFrame], dict[str, str]]:
    """The recordings that synthesis gives again bit for bit, and why it does not give the others."""
    no_frame = {rx_id: _no_frame(rx_id, sample.lineage[rx_id]) for rx_id in wanted}
    try:
        synthesized = await asyncio.to_thread(synthesize, spec, sample.key.sample_idx)
    except Exception as error:  # noqa: BLE001  # another generator, a missing tile: the reason is told
        return {}, {rx_id: f"{why}, and synthesis fails: {error}" for rx_id, why in no_frame.items()}
    made: dict[str, IQFrame] = {}
    missing: dict[str, str] = {}
    again = {frame.receiver.rx_id: frame for frame in synthesized.frames}
    for rx_id, why in no_frame.items():
        crc32 = sample.lineage[rx_id]["crc32"]
        if rx_id not in again:
            missing[rx_id] = f"{why}, and the spec has no such receiver"
        elif frame_crc32(again[rx_id]) != crc32:
            missing[rx_id] = f"{why}, and its synthesis has crc32 {frame_crc32(again[rx_id])}, its lineage {crc32}"
        else:
            made[rx_id] = again[rx_id]
    return made, missing


def _no_frame(rx_id: str, place: Mapping[str, Any]) -> str:
    published = place["topic"] != JOBS
    return f"the frame of {rx_id} has expired" if published else f"the frame of {rx_id} was never published"


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
