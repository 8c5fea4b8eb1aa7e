"""A sample's frames again, proved by the crc32 of their lineage: out of Kafka, or synthesised if they have expired."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from producer.synthesize import synthesize_sample
from schemas import DatasetSpec, IQFrame, frame_crc32
from sink.frames import FrameReader
from sink.join import SampleKey
from sink.saver import proved_frame


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedFrames:
    """What could be had."""

    frames: Mapping[str, IQFrame]
    """By rx_id; equal to what the lineage speaks of."""
    synthesised: int
    """How many of them were made again."""
    problems: tuple[str, ...]
    """A sentence for each that could not be had."""


async def proved_frames(
    reader: FrameReader,
    spec: DatasetSpec,
    sample: SampleKey,
    lineage: Mapping[str, Mapping[str, Any]],
    *,
    recorded: bool,
) -> ProvedFrames:
    """The frames that a sample's features came from. Synthetic ones can always be made again, by spec and index.

    Raises:
        KafkaError, TimeoutError: the broker refuses, or does not answer.
    """
    frames = await _from_kafka(reader, sample, lineage)
    expired = sorted(lineage.keys() - frames.keys())
    made: dict[str, IQFrame] = {}
    if recorded:
        problems = [f"the recording of {rx_id} has expired in Kafka" for rx_id in expired]
    elif expired:
        made, problems = await _from_spec(spec, sample, lineage, expired)
    else:
        problems = []
    return ProvedFrames(frames=frames | made, synthesised=len(made), problems=tuple(problems))


async def _from_spec(
    spec: DatasetSpec, sample: SampleKey, lineage: Mapping[str, Mapping[str, Any]], expired: Sequence[str]
) -> tuple[dict[str, IQFrame], list[str]]:
    """The frames of some receivers as they were, and why there are not all of them."""
    try:
        synthesised = await asyncio.to_thread(synthesize_sample, spec, sample.sample_idx)
    except ValueError as error:
        return {}, [f"its frames have expired in Kafka and cannot be synthesised: {error}"]
    frames = {frame.receiver.rx_id: frame for frame in synthesised.frames}
    made, problems = {}, []
    for rx_id in expired:
        if rx_id not in frames:
            problems.append(f"{rx_id} is no receiver of the spec")
        elif (crc32 := frame_crc32(frames[rx_id])) != lineage[rx_id]["crc32"]:
            problems.append(f"a new synthesis for {rx_id} has crc32 {crc32}, its lineage {lineage[rx_id]['crc32']}")
        else:
            made[rx_id] = frames[rx_id]
    return made, problems


async def _from_kafka(
    reader: FrameReader, sample: SampleKey, lineage: Mapping[str, Mapping[str, Any]]
) -> dict[str, IQFrame]:
    places: defaultdict[tuple[str, int], dict[int, str]] = defaultdict(dict)
    for rx_id, place in lineage.items():
        places[place["topic"], place["partition"]][place["offset"]] = rx_id
    found: dict[str, IQFrame] = {}
    for (topic, partition), offsets in places.items():
        for offset, value in (await reader.read(topic, partition, offsets)).items():
            frame = proved_frame(value, sample, offsets[offset], lineage[offsets[offset]]["crc32"])
            if frame is not None:
                found[offsets[offset]] = frame
    return found
