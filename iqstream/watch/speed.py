"""How fast the samples of a dataset are decided, by readings of their count."""

from collections import deque
from dataclasses import dataclass

from iqstream.runtime.readable import Readable

RATE_WINDOW_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Speed(Readable):
    """Samples decided per second."""

    per_second: float | None
    """Over the last seconds; None until there are two readings apart."""
    overall_per_second: float | None
    """While samples were being decided; None where no decision was seen."""
    still_s: float = 0.0
    """How long nothing was decided, as far as the last seconds tell."""

    def eta_s(self, remaining: int) -> float | None:
        """The time that so many samples will take; None while nothing moves."""
        return remaining / self.per_second if self.per_second else None


class SpeedMeter:
    """Samples decided per second, over the last seconds and over all, and the time that the rest will take."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._moves: list[tuple[float, int]] = []
        """The last reading before anything was decided, and the first that shows all that is decided now."""

    def add(self, now_s: float, decided: int) -> None:
        """A reading."""
        if self._seen and decided > self._seen[-1][1]:
            self._moves = [self._moves[0] if self._moves else self._seen[-1], (now_s, decided)]
        self._seen.append((now_s, decided))
        while now_s - self._seen[0][0] > RATE_WINDOW_S:
            self._seen.popleft()

    def per_second(self) -> float | None:
        """None until there are two readings apart."""
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else None

    def overall_per_second(self) -> float | None:
        """While samples were being decided, the wait before and after left out; None where no decision was seen."""
        if not self._moves:
            return None
        (first_s, first), (last_s, last) = self._moves
        return (last - first) / (last_s - first_s) if last_s > first_s else None

    def still_s(self) -> float:
        """How long the count is what it is now; 15 s at most, which are looked back on."""
        last_s, last = self._seen[-1]
        return last_s - next(at_s for at_s, decided in self._seen if decided == last)

    def speed(self) -> Speed:
        """As it is now."""
        return Speed(per_second=self.per_second(), overall_per_second=self.overall_per_second(), still_s=self.still_s())
