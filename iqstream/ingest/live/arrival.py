"""When samples without time stamps were taken: by when they came. Pure; the caller says the time.

Samples cannot come before they are taken, and what comes with the least delay tells best when that was. Within a
connection they are counted; the time of the first follows from the pieces that came earliest.
"""

from dataclasses import dataclass

from iqstream.recordings.recording import NS_PER_S, duration_ns

SETTLE_S = 1.0
"""What comes first is left out: it stood in buffers, and was received before the receiver was set."""
SPAN_S = 10.0
"""So long the least delay is looked for, before time is moved on: a delay that passes is no loss."""
GAP_S = 0.5
"""Of a delay that stays: more means that samples are missing, less that the receiver's oscillator is slow."""
LATE_S = 2.0
"""With a longer delay it is not known yet whether samples are missing."""
WRONG_SHARE = 0.1
"""Of a span, by which samples may come faster or slower than they are taken: faster once, slower twice in a row."""


class WrongRate(Exception):
    """Other samples come than the sample rate has: nothing that is measured of them in hertz would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Whole samples of a connection."""

    first_sample: int
    """Index in the connection."""
    raw: bytes
    """I and Q, a byte each."""
    lost_s: float = 0.0
    """Found missing before it."""


class Arrival:
    """The samples of one connection, and their time."""

    def __init__(self, sample_rate_hz: float) -> None:
        self._rate_hz = sample_rate_hz
        self._odd = b""
        self._samples = 0
        self._began_ns: int | None = None
        self._zero_ns = 0
        self._span_began_ns = 0
        self._span_zero_ns: int | None = None
        self._hurried_ns = 0
        self._slow_spans = 0
        self.late_ns = 0
        """By how much the last piece was later than the least delayed ones."""

    def time_of(self, sample: int) -> int:
        """UTC of a sample of the connection, ns since 1970, by what has come so far."""
        return self._zero_ns + duration_ns(sample, self._rate_hz)

    def first_at(self, time_ns: int) -> int:
        """The first sample that was taken at a time or after it."""
        numerator, denominator = self._rate_hz.as_integer_ratio()
        return -(-(time_ns - self._zero_ns) * numerator // (denominator * NS_PER_S))

    def take(self, raw: bytes, now_ns: int) -> Piece | None:
        """The whole samples of bytes that came now; None of the first second.

        Raises:
            WrongRate: more or fewer come than the sample rate has.
        """
        data = self._odd + raw
        whole = len(data) // 2 * 2
        self._odd = data[whole:]
        first, self._samples = self._samples, self._samples + whole // 2
        zero_ns = now_ns - duration_ns(self._samples, self._rate_hz)  # if the last one was taken just now
        if self._began_ns is None:
            self._began_ns = self._span_began_ns = now_ns
            self._zero_ns = zero_ns
        settled = now_ns - self._began_ns >= SETTLE_S * NS_PER_S
        if zero_ns < self._zero_ns:
            self._hurried_ns += self._zero_ns - zero_ns if settled else 0
            self._zero_ns = zero_ns
        if self._hurried_ns > WRONG_SHARE * SPAN_S * NS_PER_S:
            raise WrongRate(f"more samples come than {self._rate_hz:g} a second: it has another sample rate")
        self.late_ns = zero_ns - self._zero_ns
        lost_s = self._moved_on(zero_ns, now_ns)
        if not settled or not whole:
            return None
        return Piece(first_sample=first, raw=data[:whole], lost_s=lost_s)

    def _moved_on(self, zero_ns: int, now_ns: int) -> float:
        """Seconds found missing, once in a span: the delay that all of its pieces have."""
        self._span_zero_ns = zero_ns if self._span_zero_ns is None else min(self._span_zero_ns, zero_ns)
        if now_ns - self._span_began_ns < SPAN_S * NS_PER_S:
            return 0.0
        stays_ns = self._span_zero_ns - self._zero_ns
        self._zero_ns += stays_ns
        self.late_ns -= stays_ns
        self._span_began_ns, self._span_zero_ns, self._hurried_ns = now_ns, None, 0
        self._slow_spans = self._slow_spans + 1 if stays_ns > WRONG_SHARE * SPAN_S * NS_PER_S else 0
        if self._slow_spans == 2:
            raise WrongRate(
                f"fewer samples come than {self._rate_hz:g} a second: it has another sample rate, or the network is "
                "too slow for this one"
            )
        return stays_ns / NS_PER_S if stays_ns > GAP_S * NS_PER_S else 0.0
