"""What a record of one of our topics stands for, in the units that people count in. Pure."""

from dataclasses import dataclass
from typing import Self

from aiokafka import ConsumerRecord

from iqstream.runtime.stages import GROUP_OF_TOPIC
from schemas import FailureRecord, FeatureRecord, GenerationShard, IQFrame, PairRecord, SchemaError, decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The work that records ask for, or the recordings that they are."""

    samples: float
    """A recording of a sample with 7 receivers is a seventh of it."""
    recordings: int
    iq_s: float
    """Length of the recordings together."""

    def __add__(self, other: Self) -> "Contents":
        return Contents(
            samples=self.samples + other.samples,
            recordings=self.recordings + other.recordings,
            iq_s=self.iq_s + other.iq_s,
        )


NOTHING = Contents(samples=0.0, recordings=0, iq_s=0.0)


def contents_of(record: "ConsumerRecord[bytes, bytes]") -> Contents | None:
    """What a record of a stage's input stands for; None where it cannot be said."""
    if record.topic not in GROUP_OF_TOPIC or record.value is None:
        return None
    try:
        message = decode(record.value)
    except SchemaError:
        return None
    if isinstance(message, GenerationShard):
        recordings = message.count * len(message.spec.receivers)
        seconds = message.spec.capture.capture_ms / 1000
        return Contents(samples=float(message.count), recordings=recordings, iq_s=recordings * seconds)
    if isinstance(message, IQFrame | FeatureRecord):
        return Contents(samples=1 / message.receivers_expected, recordings=1, iq_s=message.duration_ms / 1000)
    if isinstance(message, PairRecord) or (isinstance(message, FailureRecord) and message.rx_id is not None):
        return NOTHING
    return None
