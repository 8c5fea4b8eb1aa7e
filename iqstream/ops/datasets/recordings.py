"""A sample's frames again, proved by the crc32 of their lineage: out of Kafka, or synthesised if they have expired."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
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
    kept, problems = len(frames), []
    expired = sorted(lineage.keys() - frames.keys())
    if expired and recorded:
        problems = [f"the recording of {rx_id} has expired in Kafka" for rx_id in expired]
    elif expired:
        made = {
            f.receiver.rx_id: f for f in (await asyncio.to_thread(synthesize_sample, spec, sample.sample_idx)).frames
        }
        for rx_id in expired:
            crc32 = lineage[rx_id]["crc32"]
            if rx_id not in made:
                problems.append(f"{rx_id} is no receiver of the spec")
            elif frame_crc32(made[rx_id]) != crc32:
                problems.append(
                    f"a new synthesis for {rx_id} has crc32 {frame_crc32(made[rx_id])}, its lineage {crc32}"
                )
            else:
                frames[rx_id] = made[rx_id]
    return ProvedFrames(frames=frames, synthesised=len(frames) - kept, problems=tuple(problems))


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
