"""What there is of dead letters, without their bytes: where each stood, why, whose it was, and what was retried."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, TypeAlias

from iqstream.catalogue.dead_letter_retries import Retry, retries_by_origin
from iqstream.catalogue.dead_letters import Origin
from iqstream.catalogue.postgres import Pool
from iqstream.dead_letters.letter import DeadLetter, DeadLetterFilter
from iqstream.dead_letters.read import read_letters
from iqstream.runtime.readable import Readable, Rows
from iqstream.runtime.settings import Settings
from schemas import SampleKey

Kind: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Line(Readable):
    """What a list says of one letter; its bytes are left out."""

    origin: Origin
    stage: str
    error: str
    message: str
    size: int
    """Bytes."""
    kept_at: datetime
    samples: tuple[SampleKey, ...]
    retries: Sequence[Retry]

    @property
    def kind(self) -> Kind:
        """What letters are counted by."""
        return self.stage, self.origin.topic, self.error


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Listing(Readable):
    """The letters that were asked for, in the order in which they were kept."""

    SHOWN: ClassVar = ("counts", "lines")

    lines: Rows[Line]

    @property
    def counts(self) -> Mapping[Kind, int]:
        """Letters by stage, topic and error, the most frequent first."""
        return dict(Counter(line.kind for line in self.lines).most_common())

    def places_of_several(self) -> set[str]:
        """Where letters of several topics of one name stood: the topic's id tells them apart."""
        places = Counter(str(line.origin) for line in self.lines)
        return {place for place, letters in places.items() if letters > 1}


def line_of(letter: DeadLetter, retries: Sequence[Retry]) -> Line:
    """A letter without its bytes."""
    return Line(
        origin=letter.origin,
        stage=letter.stage,
        error=letter.error,
        message=letter.message,
        size=len(letter.value),
        kept_at=letter.kept_at,
        samples=letter.samples(),
        retries=tuple(retries),
    )


async def list_letters(settings: Settings, pool: Pool, wanted: DeadLetterFilter) -> Listing:
    """All letters that are meant.

    Raises:
        Unreachable: Kafka or PostgreSQL does not answer.
        Failed: Kafka refuses the read.
    """
    retries = await retries_by_origin(pool)
    lines = [
        line_of(letter, retries.get(letter.origin, []))
        async for letter in read_letters(settings, pool)
        if wanted.takes(letter)
    ]
    return Listing(lines=Rows(lines))
