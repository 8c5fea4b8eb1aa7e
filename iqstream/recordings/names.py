"""What recorders write into the names of files.

| recorder | name |
|---|---|
| rtl_433 | `g001_433.92M_250k.cu8`: M or G is the frequency, k the rate; `Hz` and `sps` say which |
| gqrx | `gqrx_20180107_093225_433920000_2400000_fc.raw`: date, time, frequency, rate |
| SDR#, HDSDR | `SDRSharp_20180107_093225Z_433920000Hz_IQ.wav`, `HDSDR_20180107_093225Z_7100kHz_RF.wav` |
| SDR++ | `baseband_433920000Hz_09-32-25_07-01-2018.wav`: time, then day, month, year |
| Kiwi | `20171127T104156Z_77500_rxa_iq.wav`: date and time, frequency, station |
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from iqstream.recordings.given import is_center_frequency, is_sample_rate

_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})\D?(\d\d)\D?(\d\d)\D?(\d\d)\D?(\d\d)\D?(\d\d)(?!\d)Z?", re.ASCII)
_TIME_FIRST = re.compile(r"(?<!\d)(\d\d)-(\d\d)-(\d\d)_(\d\d)-(\d\d)-(\d{4})(?!\d)", re.ASCII)
_QUANTITY = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)([kKMG]?)(Hz|hz|HZ|sps|Sps)?", re.ASCII)
_FACTOR = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
_MARKS = {"iq", "rf", "af", "fc", "cu8", "cs8", "cs16", "cf32"}
"""Tokens that name the kind of samples, not the receiver."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class NameFacts:
    """What a file's name says; None where it says nothing, or two things."""

    rx_name: str
    """What is left of the name without the facts; the whole name where nothing is left."""
    sample_rate_hz: float | None
    center_frequency_hz: float | None
    started_at_ns: int | None
    """Taken as UTC, to the second."""


def parse_name(stem: str) -> NameFacts:
    """The facts of a file's name without its extension."""
    started_at_ns, span = _date(stem)
    tokens = [token for token in re.split(r"[_ ]+", stem[: span[0]] + "_" + stem[span[1] :]) if token]
    frequencies: list[float] = []
    rates: list[float] = []
    plain: list[float] = []
    rest: list[str] = []
    for token in tokens:
        match = _QUANTITY.fullmatch(token)
        if match is None:
            rest.append(token)
            continue
        value = float(match[1]) * _FACTOR[match[2]]
        unit = (match[3] or "").lower()
        if unit == "hz" or (not unit and match[2] in ("M", "G")):
            frequencies.append(value)
        elif unit == "sps" or (not unit and match[2] in ("k", "K")):
            rates.append(value)
        elif started_at_ns is not None and "." not in token:
            plain.append(value)
        else:
            rest.append(token)
    # Plain numbers stand behind a date: the frequency, then the rate.
    if plain and not frequencies:
        frequencies.append(plain.pop(0))
    if plain and not rates:
        rates.append(plain.pop(0))
    name = "_".join(token for token in rest if token.lower() not in _MARKS)
    return NameFacts(
        rx_name=name or stem,
        sample_rate_hz=rates[0] if len(rates) == 1 and is_sample_rate(rates[0]) else None,
        center_frequency_hz=(frequencies[0] if len(frequencies) == 1 and is_center_frequency(frequencies[0]) else None),
        started_at_ns=started_at_ns,
    )


def utc_ns(year: int, month: int, day: int, hour: int, minute: int, second: int, ns: int = 0) -> int:
    """UTC in ns since 1970; second 60 is that of a leap second.

    Raises:
        ValueError: no such time, or before 1970.
    """
    if not 0 <= ns < 1_000_000_000:
        raise ValueError("a second has 1e9 ns")
    if second == 60:
        return utc_ns(year, month, day, hour, minute, 59, ns) + 1_000_000_000
    whole = datetime(year, month, day, hour, minute, second, tzinfo=UTC) - _EPOCH
    if whole < timedelta(0) or year > 2100:
        raise ValueError("a year of 1970 to 2100 is wanted")
    return (whole.days * 86_400 + whole.seconds) * 1_000_000_000 + ns


def _date(stem: str) -> tuple[int | None, tuple[int, int]]:
    """The time in a name and where it stands there."""
    for pattern, order in ((_TIME_FIRST, (5, 4, 3, 0, 1, 2)), (_YEAR_FIRST, (0, 1, 2, 3, 4, 5))):
        for match in pattern.finditer(stem):
            fields = [int(text) for text in match.groups()]
            year, month, day, hour, minute, second = (fields[i] for i in order)
            try:
                return utc_ns(year, month, day, hour, minute, second), match.span()
            except ValueError:
                continue
    return None, (len(stem), len(stem))
