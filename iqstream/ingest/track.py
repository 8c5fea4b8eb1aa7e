"""Where a transmitter was, over time: a place, a CSV file or a GPX track."""

from __future__ import annotations

import csv
import re
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

from iqstream.runtime.errors import UserError
from iqstream.runtime.text_files import text_of
from iqstream.runtime.typed_numbers import read_number
from schemas import TransmitterPosition

COLUMNS = ("time", "latitude", "longitude")
EXAMPLE = "time,latitude,longitude,altitude_m\n2026-11-25T14:30:00Z,45.05,7.65,240"
MOST_BYTES = 64 * 1024 * 1024
"""Some days of a point a second."""
LONGEST_STEP_NS = 60_000_000_000
"""Between two points of a track that are further apart in time, the place is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Places by time, ascending; or one for all time."""

    times_ns: tuple[int, ...] = ()
    places: tuple[TransmitterPosition, ...] = ()
    always: TransmitterPosition | None = None

    def at(self, time_ns: int | None) -> TransmitterPosition | None:
        """The place at a time, on a straight line between the points around it; None where that is not known."""
        if self.always is not None or time_ns is None or not self.times_ns:
            return self.always
        after = bisect_right(self.times_ns, time_ns)
        if after and self.times_ns[after - 1] == time_ns:
            return self.places[after - 1]
        if after in (0, len(self.times_ns)):
            return None
        step_ns = self.times_ns[after] - self.times_ns[after - 1]
        if step_ns > LONGEST_STEP_NS:
            return None
        return _between(self.places[after - 1], self.places[after], (time_ns - self.times_ns[after - 1]) / step_ns)


UNKNOWN_TRACK = Track()


def read_track(path: Path) -> Track:
    """The track in a CSV file (time, latitude, longitude, altitude_m) or a GPX file.

    Raises:
        UserError: names the file, the place in it, and what is allowed there.
    """
    text = text_of("track", path, limit_bytes=MOST_BYTES)
    points = _gpx(path, text) if text.lstrip().startswith("<") else _csv(path, text)
    if not points:
        raise UserError(f"{path}: holds no points of a track")
    for (_, earlier, _), (place, later, _) in pairwise(points):
        if later <= earlier:
            raise UserError(f"{path}, {place}: its time is not after that of the point before")
    return Track(times_ns=tuple(point[1] for point in points), places=tuple(point[2] for point in points))


_LEAP_SECOND = re.compile(r"(.{10}[T ]\d\d:59:)60(.*)", re.ASCII)
_Point = tuple[str, int, TransmitterPosition]
"""Where it stands in the file, its time in ns since 1970, and the place."""


def _csv(path: Path, text: str) -> list[_Point]:
    rows = csv.DictReader(text.splitlines())
    columns = [name.strip() for name in rows.fieldnames or []]
    if set(columns) - {"altitude_m"} != set(COLUMNS) or len(set(columns)) < len(columns):
        raise UserError(f"{path}, line 1: columns {', '.join(columns)}. Example:\n{EXAMPLE}")
    rows.fieldnames = columns
    points: list[_Point] = []
    for row in rows:
        if None in row or None in row.values():
            raise UserError(f"{path}, line {rows.line_num}: the number of values differs from the number of columns")
        points.append(_point(path, f"line {rows.line_num}", row["time"], row["latitude"], row["longitude"],
                             row.get("altitude_m", "")))  # fmt: skip
    return points


def _gpx(path: Path, text: str) -> list[_Point]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UserError(f"{path}: declares entities, which a GPX file has not")
    try:
        root = ET.fromstring(text)  # noqa: S314  # without entities, and of a file of limited size
    except ET.ParseError as error:
        raise UserError(f"{path}: is no GPX: {error}") from None
    points: list[_Point] = []
    for number, element in enumerate(root.findall(".//{*}trkpt"), start=1):
        time, altitude = element.findtext("{*}time") or "", element.findtext("{*}ele") or ""
        points.append(_point(path, f"trkpt {number}", time, element.get("lat", ""), element.get("lon", ""), altitude))
    return points


def _point(path: Path, place: str, time: str, latitude: str, longitude: str, altitude: str) -> _Point:
    leap = _LEAP_SECOND.fullmatch(time.strip())
    try:
        moment = datetime.fromisoformat(f"{leap[1]}59{leap[2]}" if leap else time.strip())
    except ValueError:
        raise UserError(f"{path}, {place}: time {time!r} is none: write 2026-11-25T14:30:00Z") from None
    if moment.tzinfo is None:
        raise UserError(f"{path}, {place}: time {time!r} has no zone: write {time}Z for UTC")
    seconds, microseconds = divmod(round(moment.timestamp() * 1_000_000), 1_000_000)
    seconds += leap is not None
    try:
        where = TransmitterPosition(
            latitude=read_number(latitude.strip()),
            longitude=read_number(longitude.strip()),
            altitude_m=read_number(altitude.strip()) if altitude.strip() else None,
        )
    except ValueError as error:
        raise UserError(f"{path}, {place}: {error}") from None
    return place, seconds * 1_000_000_000 + microseconds * 1000, where


def _between(one: TransmitterPosition, other: TransmitterPosition, share: float) -> TransmitterPosition:
    turn = (other.longitude - one.longitude + 180.0) % 360.0 - 180.0  # the short way around
    altitude = None
    if one.altitude_m is not None and other.altitude_m is not None:
        altitude = one.altitude_m + share * (other.altitude_m - one.altitude_m)
    return TransmitterPosition(
        latitude=one.latitude + share * (other.latitude - one.latitude),
        longitude=(one.longitude + share * turn + 180.0) % 360.0 - 180.0,
        altitude_m=altitude,
    )
