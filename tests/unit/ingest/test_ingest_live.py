"""Samples without time stamps: when they were taken, what is missing, and how little is held."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iqstream.ingest.live.arrival import GAP_S, LATE_S, SPAN_S, Arrival, WrongRate
from iqstream.ingest.live.cut import LiveWindows
from iqstream.ingest.live.given import Source
from iqstream.ingest.live.listen import _recording
from iqstream.ingest.live.recorder import Recorder
from iqstream.ingest.live.together import WAIT_NS, Together
from iqstream.ingest.live.tuning import Address, Tuning
from iqstream.ingest.live.waiting import Waiting
from iqstream.recordings import open_recordings
from iqstream.recordings.alignment import AlignedWindows
from tests.recorded import RECEIVERS

RATE_HZ = 10_000
S = 1_000_000_000
NOON_NS = 1_700_000_000 * S
TUNING = Tuning(center_frequency_hz=433_920_000, sample_rate_hz=250_000, gain_db=20.0)


def recording_of(name: str):
    source = Source(rx_id=name, address=Address(host="a"), tuning=TUNING)
    return replace(_recording(source, None), sample_rate_hz=float(RATE_HZ))


RECORDING = recording_of("rx0")


def numbered(first: int, count: int) -> bytes:
    """Samples that say their index."""
    return (np.arange(first, first + count) % 65536).astype("<u2").tobytes()


def windows_of(*, window_ms: int = 100, context: int = 0) -> LiveWindows:
    return LiveWindows(RECORDING, window_ms * 1_000_000, context)


class Sender:
    """Sends samples that say their index, so that each byte of a window can be found again."""

    def __init__(self, arrival: Arrival, live: LiveWindows | None = None, *, began_ns: int = NOON_NS) -> None:
        self.arrival = arrival
        self.live = live
        self.began_ns = began_ns
        self.sent = 0
        self.windows = []
        self.lost_s = 0.0

    def send(self, seconds: float, *, delay_s: float = 0.0, piece_s: float = 0.02, speed: float = 1.0) -> None:
        """Samples of so many seconds, each piece `delay_s` after its last one was taken."""
        for _ in range(round(seconds / piece_s)):
            count = round(piece_s * RATE_HZ)
            raw = numbered(self.sent, count)
            self.sent += count
            now_ns = self.began_ns + round((self.sent / RATE_HZ / speed + delay_s) * S)
            piece = self.arrival.take(raw, now_ns)
            if piece is not None:
                self.lost_s += piece.lost_s
                if self.live is not None:
                    self.windows += self.live.cut(piece, self.arrival)


def test_time_of_arrival_is_that_of_the_least_delayed_pieces():
    arrival = Arrival(RATE_HZ)
    sender = Sender(arrival)
    for delay_s in (0.3, 0.05, 0.2, 0.4, 0.05):
        sender.send(1.0, delay_s=delay_s)
    assert (arrival.time_of(0) - NOON_NS) / S == pytest.approx(0.05, abs=1e-6)
    assert arrival.first_at(arrival.time_of(12_345)) == 12_345


def test_windows_stand_on_the_grid_follow_one_another_and_hold_the_samples_that_were_sent():
    sender = Sender(Arrival(RATE_HZ), windows_of())
    sender.send(5.0)
    windows = [window for window, why in sender.windows if not why]
    assert len(windows) == len(sender.windows) == 40  # the first second settles
    assert [window.grid_index for window in windows] == list(range(windows[0].grid_index, windows[0].grid_index + 40))
    for window in windows:
        assert window.grid_index * S // 10 == NOON_NS + window.first_sample * S // RATE_HZ
        raw = window.read_raw().astype(np.uint8).tobytes()
        assert raw == numbered(window.first_sample, RATE_HZ // 10)
        assert window.lost_before_s in (None, 0.0)


def test_bytes_may_be_cut_anywhere_and_an_odd_one_waits_for_its_other_half():
    arrival, whole = Arrival(RATE_HZ), b""
    data = numbered(0, RATE_HZ * 2)
    for at in range(0, len(data), 999):
        piece = arrival.take(data[at : at + 999], NOON_NS + at * S // (2 * RATE_HZ))
        if piece is not None:
            whole += piece.raw
            assert piece.raw == data[2 * piece.first_sample : 2 * piece.first_sample + len(piece.raw)]
    assert len(whole) > RATE_HZ


def test_a_delay_that_passes_loses_nothing_and_its_windows_say_that_they_came_late():
    sender = Sender(Arrival(RATE_HZ), windows_of())
    sender.send(4.0)
    sender.send(3.0, delay_s=LATE_S + 1)
    sender.send(13.0)
    assert sender.lost_s == 0.0
    places = [window.grid_index for window, _why in sender.windows]
    assert places == list(range(places[0], places[0] + len(places)))
    assert sum("late" in why for _window, why in sender.windows) == pytest.approx(30, abs=2)


def test_a_delay_that_stays_is_a_loss_and_the_next_window_says_how_long():
    sender = Sender(Arrival(RATE_HZ), windows_of())
    sender.send(SPAN_S + 1)
    sender.send(2 * SPAN_S + 1, delay_s=5 * GAP_S)
    assert sender.lost_s == pytest.approx(5 * GAP_S, abs=0.05)
    places = [window.grid_index for window, _why in sender.windows]
    assert len(set(places)) == len(places)
    lost_s = [window.lost_before_s for window, _why in sender.windows if window.lost_before_s]
    assert lost_s == [pytest.approx(5 * GAP_S, abs=0.15)]


@pytest.mark.parametrize("speed", [1.5, 8.0, 0.8])
def test_samples_that_come_faster_or_slower_than_the_rate_are_refused(speed):
    with pytest.raises(WrongRate, match="more" if speed > 1 else "fewer"):
        Sender(Arrival(RATE_HZ)).send(60.0, speed=speed)


@pytest.mark.parametrize("speed", [1.00015, 0.99985])
def test_an_oscillator_of_150_ppm_loses_no_window_in_ten_minutes(speed):
    live = windows_of(window_ms=1000)
    sender = Sender(Arrival(RATE_HZ), live)
    sender.send(600.0, piece_s=0.1, speed=speed)
    places = [window.grid_index for window, _why in sender.windows]
    assert len(places) >= 597
    assert all(window.lost_before_s in (None, 0.0) or window.lost_before_s == 1.0 for window, _ in sender.windows)
    assert len(set(places)) == len(places)


def test_a_stream_holds_no_more_than_a_window_and_its_context():
    live = windows_of(window_ms=100, context=500)
    sender = Sender(Arrival(RATE_HZ), live)
    most = 0
    for _ in range(50):
        sender.send(0.1)
        most = max(most, len(live._held))
    assert most <= 2 * (2 * RATE_HZ // 10 + 2 * 500)
    first = sender.windows[0][0]
    context = first.recording.read(first.first_sample - 500, 1000 + first.samples)
    assert len(context) == RATE_HZ // 10 + 1000


def test_after_a_connection_is_lost_places_and_samples_go_on_and_the_gap_is_told():
    live = windows_of()
    first = Sender(Arrival(RATE_HZ), live)
    first.send(3.0)
    live.reconnected()
    second = Sender(Arrival(RATE_HZ), live, began_ns=NOON_NS + 7 * S)
    second.send(3.0)
    last, following = first.windows[-1][0], second.windows[0][0]
    assert following.first_sample > last.first_sample
    assert following.lost_before_s == pytest.approx((following.grid_index - last.grid_index - 1) * 0.1)
    assert following.lost_before_s == pytest.approx(5.0, abs=0.2)


def window_at(place: int, name: str = "rx0"):
    sender = Sender(Arrival(RATE_HZ), LiveWindows(recording_of(name), 100_000_000, 0))
    sender.began_ns = place * 100_000_000 - S
    sender.send(1.3)
    return next(window for window, _why in sender.windows if window.grid_index >= place)


def test_a_sample_waits_for_its_receivers_and_no_longer_than_told():
    together = Together()
    together.connected |= {"rx0", "rx1"}
    one, two = window_at(1000), window_at(1000, "rx1")
    now_ns = 1002 * S // 10
    assert one.grid_index == two.grid_index
    assert list(together.add(one, "", now_ns)) == []
    (sample,) = together.add(two, "", now_ns)
    assert ([window.recording.rx_name for window in sample.windows], sample.unaligned) == (["rx0", "rx1"], "")
    later = window_at(1010)
    assert list(together.add(later, "", 1012 * S // 10)) == []
    (sample,) = together.ready(100_000_000, 1012 * S // 10 + WAIT_NS)
    assert len(sample.windows) == 1
    (late,) = together.add(window_at(1010, "rx1"), "", 1012 * S // 10 + WAIT_NS)
    assert "after the others" in late.unaligned
    together.connected.discard("rx1")
    assert len(list(together.add(window_at(1020), "", 1022 * S // 10))) == 1


async def test_what_finds_no_room_is_left_out_and_the_next_window_says_so(monkeypatch):
    monkeypatch.setattr("iqstream.ingest.live.waiting.MOST_BYTES", 5_000)
    waiting = Waiting()
    samples = [AlignedWindows(windows=(window_at(1000 + number),), unaligned="") for number in range(5)]
    assert [waiting.put(sample) is not None for sample in samples] == [True, True, False, False, False]
    assert len(await waiting.take(1, 10**9)) == 1
    kept = waiting.put(AlignedWindows(windows=(window_at(1005),), unaligned=""))
    assert kept.windows[0].lost_before_s == pytest.approx(0.3)
    waiting.end()
    assert [len(await waiting.take(10, 10**9)) for _ in range(2)] == [2, 0]


def test_a_recorder_keeps_what_came_and_its_gaps_as_captures(tmp_path):
    recorder = Recorder(tmp_path, RECORDING, RECEIVERS[0])
    raw = np.random.default_rng(3).integers(0, 256, 400_000, np.uint8).tobytes()
    recorder.write(raw[:100_000], NOON_NS, "")
    recorder.write(raw[100_000:200_000], NOON_NS + 9 * S, "")
    recorder.write(raw[200_000:300_000], NOON_NS + 20 * S, "a has closed the connection")
    opened = open_recordings([tmp_path])  # as if killed here
    (recording,) = opened.recordings
    assert opened.failures == ()
    assert (recording.rx_name, recording.time_source, recording.datatype) == ("rx0", "arrival", "cu8")
    assert [(one.first_sample, one.samples) for one in recording.segments] == [(0, 100_000), (100_000, 50_000)]
    assert recording.gaps[0].duration_ns == 20 * S - 100_000 * S // RATE_HZ
    assert recording.storage.read_raw(0, 150_000).tobytes() == raw[:300_000]
    recorder.write(raw[300_000:400_000], NOON_NS, "time of arrival jumped back")
    recorder.close()
    (recording,) = open_recordings([tmp_path]).recordings
    assert recording.samples == 200_000
    (meta,) = Path(tmp_path).glob("*.sigmf-meta")
    gaps = json.loads(meta.read_text())["annotations"]
    assert [gap["core:sample_start"] for gap in gaps] == [100_000, 150_000]
    assert "has closed the connection" in gaps[0]["core:comment"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("rtl_tcp://10.0.0.7:1234", "10.0.0.7:1234"),
        ("rtl_tcp://example", "example:1234"),
        ("rtl_tcp://[::1]:9/", "[::1]:9"),
        ("http://example", None),
        ("example:1234", None),
        ("rtl_tcp://", None),
        ("rtl_tcp://example:99999", None),
        ("rtl_tcp://example:x", None),
        ("rtl_tcp://example/path", None),
        ("rtl_tcp://user@example", None),
        ("rtl_tcp://example?gain=3", None),
        ("rtl_tcp://[::1", None),
    ],
)
def test_an_address_is_read_or_refused(text, address):
    if address is None:
        with pytest.raises(ValueError, match=r".+"):
            Address.parse(text)
    else:
        assert str(Address.parse(text)) == address


@pytest.mark.parametrize(
    "wrong",
    [{"sample_rate_hz": 200_000}, {"sample_rate_hz": 600_000}, {"sample_rate_hz": 4_000_000}, {"gain_db": 500.0},
     {"gain_db": float("nan")}, {"center_frequency_hz": 0}, {"center_frequency_hz": 2**32}, {"ppm": 5000}],
)  # fmt: skip
def test_what_no_dongle_can_is_refused_before_anything_is_sent(wrong):
    fields = {"center_frequency_hz": 1, "sample_rate_hz": 250_000, "gain_db": 1.0} | wrong
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Tuning(**fields)
