"""Times and durations as they are typed."""

import re
from datetime import datetime, timedelta

from iqstream.runtime.errors import UserError

_DURATION = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?",
    re.ASCII,
)
_LONGEST = timedelta(days=365_000)
"""So long ago there is still a date."""


def parse_duration(text: str) -> timedelta:
    """`P1DT2H3M4S` (any part may be left out) as a duration.

    Raises:
        UserError: anything else.
    """
    match = _DURATION.fullmatch(text)
    parts = {name: float(value) for name, value in match.groupdict().items() if value} if match else {}
    if not parts:
        raise UserError(f"--by-duration: {text!r} is not a duration PnDTnHnMnS: write PT30M, P1D or P1DT12H")
    try:
        duration = timedelta(**parts)
    except OverflowError:
        duration = timedelta.max
    if duration > _LONGEST:
        raise UserError(f"--by-duration: {text} is longer than anything here")
    return duration


def parse_instant(text: str, flag: str = "--to-datetime") -> datetime:
    """An ISO 8601 time with a zone.

    Raises:
        UserError: no such time, or one without zone: two people would read it as two moments.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{flag}: {text!r} is not a time: write 2026-11-25T14:30:00Z or …+01:00") from None
    if instant.tzinfo is None:
        raise UserError(f"{flag}: {text} has no zone: write {text}Z for UTC, or {text}+01:00")
    return instant
