"""Windows of one time come together, each with how late its first sample is; what has no time stands alone."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.recordings import Given, Recording, Segment, open_recordings
from iqstream.recordings.alignment import align
from iqstream.recordings.recording import TimeSource
from iqstream.recordings.windows import windows_of
from tests.recording_files import CENTER_HZ
from tests.strategies import SEEDED

SECOND_NS = 10**9
START_NS = 1_511_779_316_123_456_789


def recorded(
    folder: Path, name: str, *, rate_hz: float = 1000.0, samples: int = 5000, start_ns: int | None = START_NS,
    source: TimeSource = "gnss", center_hz: float = CENTER_HZ, seed: int = 0,
) -> Recording:  # fmt: skip
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.cs8"
    path.write_bytes(np.random.default_rng(seed).integers(-128, 127, 2 * samples, np.int8).tobytes())
    said = Given(
        rx_name=name, sample_rate_hz=rate_hz, center_frequency_hz=center_hz, started_at_ns=start_ns, time_source=source
    )
    (recording,) = open_recordings([path], said).recordings
    return recording


@SEEDED
@given(
    rate_hz=st.floats(1000, 3e6), start_ns=st.integers(0, 4 * 10**18), window_ns=st.integers(2_000_000, 3 * 10**9),
    samples=st.integers(1, 10**10),
)  # fmt: skip
def test_every_window_begins_at_its_grid_time_and_its_remainder_is_exact(
    tmp_path_factory: pytest.TempPathFactory, rate_hz: float, start_ns: int, window_ns: int, samples: int
) -> None:
    recording = replace(
        recorded(tmp_path_factory.getbasetemp(), "any", rate_hz=rate_hz, samples=1),
        segments=(Segment(first_sample=17, samples=samples, started_at_ns=start_ns),),
    )
    end = 17
    count = int(Fraction(window_ns) * Fraction(rate_hz) / SECOND_NS)
    for number, window in enumerate(windows_of(recording, window_ns)):
        assert window.grid_index is not None
        assert window.samples == count
        assert end <= window.first_sample <= end + 1 + (window_ns * rate_hz / 1e9 if number == 0 else 0)
        end = window.first_sample + window.samples
        assert end <= 17 + samples
        taken_ns = start_ns + Fraction(window.first_sample - 17) * SECOND_NS / Fraction(rate_hz)
        late = (taken_ns - window.grid_index * window_ns) * Fraction(rate_hz) / SECOND_NS
        assert 0 <= late < 1
        assert window.late_samples == pytest.approx(float(late), abs=1e-15)
        assert window.started_at_ns is not None
        assert abs(window.started_at_ns - taken_ns) <= Fraction(51, 100)
        if number == 50:
            break
    else:
        assert 17 + samples - end < 2 * count + 2  # what is left holds no whole window


def test_no_window_reaches_over_a_gap(tmp_path: Path) -> None:
    segments = (
        Segment(first_sample=0, samples=2500, started_at_ns=0),
        Segment(first_sample=2500, samples=2500, started_at_ns=10_400_000_000),
    )
    recording = replace(recorded(tmp_path, "rx"), segments=segments)
    spans = [(window.grid_index, window.first_sample) for window in windows_of(recording, SECOND_NS)]
    assert spans == [(0, 0), (1, 1000), (11, 3100)]


def test_receivers_come_together_by_time_and_frequency(tmp_path: Path) -> None:
    recordings = [
        recorded(tmp_path, "a", start_ns=0),
        recorded(tmp_path, "b", start_ns=1_000_300_000, rate_hz=1000.5),
        recorded(tmp_path, "c", start_ns=10 * SECOND_NS, source="ntp"),
        recorded(tmp_path, "d", start_ns=0, center_hz=2 * CENTER_HZ),
        recorded(tmp_path, "e", start_ns=0, source="name"),
        recorded(tmp_path, "f", start_ns=None),
    ]
    found = list(align(recordings, SECOND_NS))
    together = [
        (aligned.windows[0].grid_index, "".join(w.recording.rx_name for w in aligned.windows))
        for aligned in found
        if not aligned.unaligned
    ]
    assert together == [
        (0, "a"), (0, "d"), (1, "a"), (1, "d"), (2, "ab"), (2, "d"), (3, "ab"), (3, "d"), (4, "ab"), (4, "d"),
        (10, "c"), (11, "c"), (12, "c"), (13, "c"), (14, "c"),
    ]  # fmt: skip
    alone = [aligned for aligned in found if aligned.unaligned]
    assert [aligned.windows[0].recording.rx_name for aligned in alone] == ["e"] * 5 + ["f"] * 5
    assert all(len(aligned.windows) == 1 for aligned in alone)
    assert alone[0].unaligned == "the time of e is not known to a window: its source is name"
    assert [aligned.windows[0].first_sample for aligned in alone[5:]] == [0, 1000, 2000, 3000, 4000]


def test_a_copy_of_a_file_gives_no_window_twice_and_another_recording_of_its_time_stands_alone(tmp_path: Path) -> None:
    one = recorded(tmp_path / "one", "rx", start_ns=0)
    copy = recorded(tmp_path / "two", "rx", start_ns=0)
    other = recorded(tmp_path / "xyz", "rx", start_ns=0, seed=1)
    assert [len(aligned.windows) for aligned in align([one, copy], SECOND_NS)] == [1] * 5
    found = list(align([one, copy, other], SECOND_NS))
    assert len(found) == 10
    assert {aligned.unaligned for aligned in found} == {"", "rx has another recording of this time"}


def test_the_identity_of_a_window_is_its_content_and_place(tmp_path: Path) -> None:
    one, copy, other = (recorded(tmp_path / name, "rx", seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    ids = [[window.identity() for window in windows_of(recording, SECOND_NS)] for recording in (one, copy, other)]
    assert ids[0] == ids[1]
    assert len({*ids[0], *ids[2]}) == len(ids[0]) + len(ids[2])
    elsewhere = [replace(one, **facts) for facts in ({"rx_name": "ry"}, {"center_frequency_hz": 1e6})]
    moved = [next(windows_of(recording, SECOND_NS)).identity() for recording in elsewhere]
    assert len({*moved, *ids[0]}) == len(moved) + len(ids[0])


def test_a_day_of_many_receivers_is_merged_without_holding_it(tmp_path: Path) -> None:
    """86,400 windows of 8 receivers: one of each is held at a time, so the first comes at once."""
    segment = (Segment(first_sample=0, samples=86_400_000, started_at_ns=0),)
    recordings = [replace(recorded(tmp_path, f"rx{n}"), segments=segment) for n in range(8)]
    for count, aligned in enumerate(align(recordings, SECOND_NS)):
        assert len(aligned.windows) == 8
        assert aligned.windows[0].grid_index == count
        if count == 100:
            break
