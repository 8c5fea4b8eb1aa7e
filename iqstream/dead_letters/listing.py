"""What a list says of dead letters: where each stood, why, whose it was, and what was retried."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from iqstream.catalogue.dead_letter_retries import Retry
from iqstream.catalogue.dead_letters import Origin
from iqstream.dead_letters.letter import DeadLetter
from schemas import SampleKey

_KIND = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a list says of one letter; its bytes are left out."""

    origin: Origin
    stage: str
    error: str
    message: str
    size: int
    kept_at: datetime
    samples: tuple[SampleKey, ...]
    retries: Sequence[Retry]

    @property
    def kind(self) -> _KIND:
        """What letters are counted by."""
        return self.stage, self.origin.topic, self.error


@dataclass(slots=True)
class Listing:
    """The letters that were asked for."""

    lines: list[Line] = field(default_factory=list)

    def add(self, letter: DeadLetter, retries: Sequence[Retry]) -> None:
        """Takes up a letter, without its bytes."""
        self.lines.append(
            Line(
                origin=letter.origin,
                stage=letter.stage,
                error=letter.error,
                message=letter.message,
                size=len(letter.value),
                kept_at=letter.kept_at,
                samples=letter.samples(),
                retries=retries,
            )
        )

    def counts(self) -> Mapping[_KIND, int]:
        """Letters by stage, topic and error, the most frequent first."""
        return dict(Counter(line.kind for line in self.lines).most_common())

    def places_of_several(self) -> set[str]:
        """Where letters of several topics of one name stood: the topic's id tells them apart."""
        places = Counter(str(line.origin) for line in self.lines)
        return {place for place, letters in places.items() if letters > 1}
