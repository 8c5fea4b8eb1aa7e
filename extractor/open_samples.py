"""The recordings of samples whose time differences are to be measured, kept until all of a sample are there. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas import IQFrame, SampleKey

MOST_SAMPLES = 64
"""Open at once on a partition: as many as 32 producers begin with."""
MOST_BYTES = 256 * 1024 * 1024
"""Of IQ that is kept for a partition."""
MOST_OFFSETS = 1024
"""From a sample's first recording to its last, and so what a new owner reads again at most."""


@dataclass(frozen=True, slots=True)
class Generation:
    """A sample, as one replay of it makes it."""

    key: SampleKey
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LostSample:
    """A sample that is waited for no longer."""

    sample: Generation
    first_offset: int
    heard: int
    expected: int


@dataclass(slots=True, kw_only=True)
class _Open:
    first_offset: int
    heard: set[str] = field(default_factory=set)
    """Receivers that have spoken, with a recording or a failure."""
    failed: bool = False
    """It has failed by one of its recordings: nothing is measured."""
    frames: list[IQFrame] = field(default_factory=list)
    expected: int = 0
    """Receivers; 0 before the first recording that can be read."""

    @property
    def kept_bytes(self) -> int:
        return sum(len(frame.iq) for frame in self.frames)

    @property
    def complete(self) -> bool:
        return 0 < self.expected <= len(self.heard)


class OpenSamples:
    """The open samples of one partition, oldest first. Records come in the order of their offsets."""

    def __init__(self) -> None:
        self._open: dict[Generation, _Open] = {}
        self._kept_bytes = 0

    def first_offsets(self) -> Sequence[int]:
        """Offsets of the first record of each open sample; of a failed one only where it is known to have pairs."""
        return [sample.first_offset for sample in self._open.values() if sample.expected]

    def add(self, offset: int, frame: IQFrame) -> Sequence[IQFrame] | None:
        """Keeps a recording; returns all of its sample, if it was the last one and none has failed.

        Of two recordings by one receiver the first counts. A dataset without time differences leaves nothing behind.
        """
        key = generation_of(frame)
        if not frame.pairs_expected:
            self.forget(key)
            return None
        sample = self._open.setdefault(key, _Open(first_offset=offset))
        sample.expected = frame.receivers_expected
        if frame.receiver.rx_id not in sample.heard and not sample.failed:
            sample.frames.append(frame)
            self._kept_bytes += len(frame.iq)
        sample.heard.add(frame.receiver.rx_id)
        if not sample.complete:
            return None
        frames = tuple(sample.frames)
        self.forget(key)
        return None if sample.failed else frames

    def fail(self, offset: int, key: Generation, rx_id: str) -> None:
        """Notes that a recording cannot be read or extracted, which fails its sample: what is kept of it goes."""
        sample = self._open.setdefault(key, _Open(first_offset=offset))
        self._kept_bytes -= sample.kept_bytes
        sample.frames.clear()
        sample.failed = True
        sample.heard.add(rx_id)
        if sample.complete:
            self.forget(key)

    def forget(self, key: Generation) -> None:
        """Nothing more of the sample is waited for."""
        sample = self._open.pop(key, None)
        if sample is not None:
            self._kept_bytes -= sample.kept_bytes

    def give_up(self, offset: int, *, every: bool = False) -> list[LostSample]:
        """Lets the oldest go while more is open at an offset than may be; returns those that have not failed.

        `every`: let all of them go.
        """
        lost = []
        while self._open:
            key, oldest = next(iter(self._open.items()))
            if (
                not every
                and len(self._open) <= MOST_SAMPLES
                and self._kept_bytes <= MOST_BYTES
                and offset - oldest.first_offset <= MOST_OFFSETS
            ):
                break
            self.forget(key)
            if not oldest.failed:
                lost.append(
                    LostSample(
                        sample=key,
                        first_offset=oldest.first_offset,
                        heard=len(oldest.heard),
                        expected=oldest.expected,
                    )
                )
        return lost

    def __contains__(self, key: Generation) -> bool:
        return key in self._open


def generation_of(frame: IQFrame) -> Generation:
    """The sample that a frame is of."""
    return Generation(SampleKey(frame.dataset_id, frame.dataset_version, frame.sample_idx), frame.generation)
