"""The four topics and the three groups: their names, and the settings that the topics are to have."""

from collections.abc import Mapping
from dataclasses import dataclass

from iqstream.runtime.setting_values import UNBOUNDED
from iqstream.runtime.settings import Settings

JOBS = "iq.jobs"
FRAMES = "iq.frames"
FEATURES = "iq.features"
DEAD_LETTERS = "iq.dead-letter"

PRODUCER_GROUP = "iqstream-producer"
EXTRACTOR_GROUP = "iqstream-extractor"
SINK_GROUP = "iqstream-sink"

FRAME_LIMIT_BYTES = 1024 * 1024 + 12
"""Kafka's default `max.message.bytes`: a full-size frame fits."""
DEAD_LETTER_LIMIT_BYTES = 16 * 1024 * 1024
FEATURE_RECORD_BYTES = 8 * 1024
"""The largest that is likely; some 2 kB is usual."""
MAX_FEATURES_SEGMENT_BYTES = 64 * 1024 * 1024
"""Of a retention that is bounded: only whole files are deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """A topic as we make it and expect it."""

    name: str
    partitions: int
    config: Mapping[str, str]


def topic_specs(settings: Settings) -> tuple[TopicSpec, ...]:
    """Our topics, in the order of the stream."""
    forever = {
        "cleanup.policy": "delete",
        "compression.type": "producer",
        "max.message.bytes": str(FRAME_LIMIT_BYTES),
        "message.timestamp.type": "CreateTime",
        "retention.bytes": "-1",
        "retention.ms": "-1",
    }
    frames = forever | {
        "retention.bytes": str(settings.frames_retention_bytes),
        "segment.bytes": str(settings.frames_segment_bytes),
    }
    features = forever
    if settings.features_retention_bytes != UNBOUNDED:
        segment_bytes = min(settings.features_retention_bytes // 8, MAX_FEATURES_SEGMENT_BYTES)
        features = forever | {
            "retention.bytes": str(settings.features_retention_bytes),
            "segment.bytes": str(max(segment_bytes, FRAME_LIMIT_BYTES)),
        }
    dead_letters = forever | {"max.message.bytes": str(DEAD_LETTER_LIMIT_BYTES)}
    return (
        TopicSpec(name=JOBS, partitions=settings.partitions, config=forever),
        TopicSpec(name=FRAMES, partitions=settings.partitions, config=frames),
        TopicSpec(name=FEATURES, partitions=settings.partitions, config=features),
        TopicSpec(name=DEAD_LETTERS, partitions=1, config=dead_letters),
    )
