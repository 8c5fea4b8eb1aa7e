"""The stages of the stream. Commands, positions, lag, dead letters and benches all go by this table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from iqstream.runtime.topics import (
    DEAD_LETTERS,
    EXTRACTOR_GROUP,
    FEATURES,
    FRAMES,
    JOBS,
    PRODUCER_GROUP,
    SINK_GROUP,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage by what it reads, as whom, and what it writes."""

    name: str
    """Of its command, of the package that is its worker (`python -m {name}`), and the label of its metrics."""
    group: str
    topic: str
    """Its input."""
    outputs: Sequence[str]
    """All topics that it writes to."""
    work: str
    """What it does, for `--help`."""
    reads: Literal["shards", "recordings"]
    """What a record of its input is: some samples to be made, or one recording of a sample."""
    units: Sequence[str]
    """What one would count on its input, the most natural first."""
    keeps_offsets_in_postgres: bool = False
    """Its position is a row beside its results; Kafka's is a copy of it."""


PRODUCER = Stage(
    name="producer",
    group=PRODUCER_GROUP,
    topic=JOBS,
    outputs=(FRAMES, FEATURES, DEAD_LETTERS),
    work="Synthesises IQ: shards of iq.jobs become frames on iq.frames, or features on iq.features at once.",
    reads="shards",
    units=("samples", "recordings", "IQ-seconds", "bytes"),
)
EXTRACTOR = Stage(
    name="extractor",
    group=EXTRACTOR_GROUP,
    topic=FRAMES,
    outputs=(FEATURES, DEAD_LETTERS),
    work="Computes features: frames of iq.frames become records on iq.features.",
    reads="recordings",
    units=("recordings", "IQ-seconds", "bytes", "samples"),
)
SINK = Stage(
    name="sink",
    group=SINK_GROUP,
    topic=FEATURES,
    outputs=(DEAD_LETTERS,),
    work="Joins, filters and stores: iq.features become rows and saved IQ.",
    reads="recordings",
    units=("recordings", "samples", "IQ-seconds", "bytes"),
    keeps_offsets_in_postgres=True,
)
STAGES: Mapping[str, Stage] = {stage.name: stage for stage in (PRODUCER, EXTRACTOR, SINK)}
"""By name, in the order of the stream."""
GROUP_OF_TOPIC: Mapping[str, str] = {stage.topic: stage.group for stage in STAGES.values()}
"""Who reads a topic."""
