"""A track gives a place between its points, and none where it cannot be known."""

from datetime import UTC, datetime, timedelta

import pytest

from iqstream.ingest.track import LONGEST_STEP_NS, Track, read_track
from iqstream.runtime.errors import UserError
from schemas import TransmitterPosition

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOON_NS = round(NOON.timestamp()) * 10**9
CSV = """time,latitude,longitude,altitude_m
2026-01-31T12:00:00Z,45.0,7.0,100
2026-01-31T13:00:10+01:00,45.2,7.4,
2026-01-31T12:02:00Z,46.0,8.0,100
"""
GPX = """<?xml version="1.0"?><gpx xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>
<trkpt lat="45.0" lon="7.0"><ele>100</ele><time>2026-01-31T12:00:00Z</time></trkpt>
<trkpt lat="45.2" lon="7.4"><time>2026-01-31T12:00:10.5Z</time></trkpt>
</trkseg></trk></gpx>"""


def track_of(tmp_path, text):
    path = tmp_path / "track"
    path.write_text(text)
    return read_track(path)


@pytest.mark.parametrize("text", [CSV, GPX, "\ufeff" + CSV], ids=["csv", "gpx", "csv with a mark"])
def test_between_two_points_the_place_is_on_their_line(tmp_path, text):
    track = track_of(tmp_path, text)
    assert track.at(NOON_NS) == TransmitterPosition(latitude=45.0, longitude=7.0, altitude_m=100.0)
    half = (track.times_ns[0] + track.times_ns[1]) // 2
    middle = track.at(half)
    assert (middle.latitude, middle.longitude) == (pytest.approx(45.1), pytest.approx(7.2))
    assert middle.altitude_m is None


def test_before_after_and_in_a_long_gap_the_place_is_not_known(tmp_path):
    track = track_of(tmp_path, CSV)
    assert track.times_ns[2] - track.times_ns[1] > LONGEST_STEP_NS
    for seconds in (-1, 60, 121):
        assert track.at(NOON_NS + seconds * 10**9) is None
    assert track.at(NOON_NS + 120 * 10**9).latitude == 46.0
    assert track.at(None) is None
    always = TransmitterPosition(latitude=1.0, longitude=2.0)
    assert Track(always=always).at(None) is always


def test_the_way_over_the_date_line_is_the_short_one():
    track = Track(
        times_ns=(0, 10),
        places=(TransmitterPosition(latitude=0, longitude=179.0), TransmitterPosition(latitude=0, longitude=-179.0)),
    )
    assert track.at(7).longitude == pytest.approx(-179.6)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "columns"),
        ("a,b\n1,2\n", "line 1: columns a, b"),
        ("time,latitude,longitude,latitude\n", "line 1: columns time, latitude, longitude, latitude"),
        ("time,latitude,longitude\n", "no points"),
        ("time,latitude,longitude\n2026-01-31T12:00:00,45,7\n", "line 2: time '2026-01-31T12:00:00' has no zone"),
        ("time,latitude,longitude\nnoon,45,7\n", "line 2: time 'noon' is none"),
        ("time,latitude,longitude\n2026-01-31T12:00:00Z,95,7\n", "line 2: latitude"),
        ("time,latitude,longitude\n2026-01-31T12:00:00Z,nan,7\n", "line 2: .nan. is not a number"),
        ("time,latitude,longitude\n2026-01-31T12:00:00Z,x,7\n", "line 2: .x. is not a number"),
        ("time,latitude,longitude\n2026-01-31T12:00:00Z,45\n", "line 2: the number of values"),
        ("time,latitude,longitude\n2026-01-31T12:00:01Z,45,7\n2026-01-31T12:00:01Z,45,7\n", "line 3: its time"),
        ("<gpx>", "is no GPX"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><gpx/>", "declares entities"),
        ("<gpx><trkpt lat='45'><time>2026-01-31T12:00:00Z</time></trkpt></gpx>", "trkpt 1"),
    ],
)
def test_a_track_that_cannot_be_read_is_refused_with_its_place(tmp_path, text, why):
    with pytest.raises(UserError, match=why):
        track_of(tmp_path, text)


def test_times_are_read_to_the_microsecond(tmp_path):
    moment = NOON + timedelta(microseconds=123_457)
    track = track_of(tmp_path, f"time,latitude,longitude\n{moment.isoformat()},45,7\n")
    assert track.times_ns == (NOON_NS + 123_457_000,)


def test_a_leap_second_is_the_second_after(tmp_path):
    track = track_of(tmp_path, "time,latitude,longitude\n2016-12-31T23:59:60.5Z,45,7\n")
    assert track.times_ns == (round(datetime(2017, 1, 1, tzinfo=UTC).timestamp()) * 10**9 + 500_000_000,)
