"""A receiver is listened to whatever its server does: each kind of misbehaviour against a server of our own."""

import asyncio
import contextlib
import re

import pytest

from iqstream.ingest.live import receive, rtl_tcp
from iqstream.ingest.live.cut import LiveWindows
from iqstream.ingest.live.given import Source
from iqstream.ingest.live.listen import _recording
from iqstream.ingest.live.recorder import Recorder
from iqstream.ingest.live.rtl_tcp import Lost, NotRtlTcp, connect
from iqstream.ingest.live.tuning import Tuning
from iqstream.recordings import open_recordings
from tests.recorded import RECEIVERS
from tests.rtl_tcp_server import WELL, Behaviour, RtlTcpServer

RATE_HZ = 250_000
TUNING = Tuning(center_frequency_hz=433_920_000, sample_rate_hz=RATE_HZ, gain_db=28.0, agc=True, ppm=-3)


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """What takes seconds takes hundredths."""
    monkeypatch.setattr("iqstream.ingest.live.arrival.SETTLE_S", 0.05)
    monkeypatch.setattr(receive, "FIRST_WAIT_S", 0.02)


class Listener:
    """Listens to a server, and keeps what it is told."""

    def __init__(self, folder=None) -> None:
        self.windows = []
        self.events = []
        self.connected = set()
        self.folder = folder
        self.came = asyncio.Condition()
        self.reception = None

    @contextlib.asynccontextmanager
    async def listening(self, server):
        source = Source(rx_id="rx0", address=server.address, tuning=TUNING)
        recording = _recording(source, None)
        self.reception = receive.Reception(
            source,
            LiveWindows(recording, 20_000_000, 0),
            None if self.folder is None else Recorder(self.folder, recording, RECEIVERS[0]),
            on_window=lambda window, _why: self.windows.append(window),
            connected=self.connected,
            on_event=self.events.append,
        )
        task = asyncio.create_task(self.reception.run(None))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, enough) -> None:
        async with asyncio.timeout(20):
            while not enough():
                await asyncio.sleep(0.01)


async def test_a_receiver_is_set_as_wanted_before_it_is_heard():
    async with RtlTcpServer([WELL], RATE_HZ).running() as server:
        listener = Listener()
        async with listener.listening(server):
            await listener.until(lambda: listener.windows)
        number = {server.commands[at]: int.from_bytes(server.commands[at + 1 : at + 5]) for at in range(0, 30, 5)}
    assert len(server.commands) == 30
    assert number == {0x01: 433_920_000, 0x02: RATE_HZ, 0x03: 1, 0x04: 280, 0x05: 2**32 - 3, 0x08: 1}
    assert listener.windows[0].recording.automatic_gain


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("first", "told"),
    [
        (Behaviour(seconds=0.2), "closed the connection"),
        (Behaviour(seconds=0.2, then="abort"), "closed the connection|reset"),
        (Behaviour(seconds=0.2, odd_bytes=b"\x01"), "closed the connection"),
        (Behaviour(seconds=0.2, then="stall"), "sent nothing for 1 s"),
        (Behaviour(greeting=None, then="stall"), "sends nothing: does another client have it"),
        (Behaviour(greeting=None), "after 0 bytes of its greeting"),
        (Behaviour(greeting=b"RTL0\0\0", seconds=0), "after 6 bytes of its greeting"),
        (Behaviour(greeting=b"HTTP/1.1 400 Bad Request"), "no rtl_tcp server.*HTTP"),
    ],
)
async def test_whatever_goes_wrong_is_told_and_the_receiver_is_heard_again(first, told, tmp_path, monkeypatch):
    if first.then == "stall":
        monkeypatch.setattr(rtl_tcp, "ANSWER_WITHIN_S", 1.0)
    async with RtlTcpServer([first, WELL], RATE_HZ).running() as server:
        listener = Listener(tmp_path)
        async with listener.listening(server):
            await listener.until(lambda: server.connections > 1 and len(listener.windows) > 12)
    (event,) = listener.events
    assert re.search(told, event)
    assert listener.reception.outages == 1
    places = [window.grid_index for window in listener.windows]
    assert places == sorted(set(places))
    lost_s = sum(window.lost_before_s or 0.0 for window in listener.windows)
    assert lost_s == pytest.approx((places[-1] - places[0] + 1 - len(places)) * 0.02)
    (recording,) = open_recordings([tmp_path]).recordings
    assert len(recording.segments) == (2 if first.seconds == 0.2 and first.greeting else 1)


async def test_a_server_that_sends_faster_than_its_rate_is_given_up():
    async with RtlTcpServer([Behaviour(speed=20)], RATE_HZ).running() as server:
        listener = Listener()
        async with listener.listening(server) as task:
            async with asyncio.timeout(20):
                await task
    assert listener.reception.problems == [
        f"rx0: {server.address} is given up: more samples come than 250000 a second: it has another sample rate"
    ]
    assert listener.connected == set()


async def test_a_recording_that_cannot_go_on_is_told_and_listening_goes_on(tmp_path):
    folder = tmp_path / "a file"
    folder.write_bytes(b"")
    async with RtlTcpServer([WELL], RATE_HZ).running() as server:
        listener = Listener(folder)
        async with listener.listening(server):
            await listener.until(lambda: len(listener.windows) > 3)
    (problem,) = listener.reception.problems
    assert problem.startswith("rx0: its recording has ended")


async def test_a_server_that_is_away_and_one_that_is_another_are_told_apart():
    async with RtlTcpServer([Behaviour(greeting=b"SSH-2.0-OpenSSH_9")], RATE_HZ).running() as server:
        with pytest.raises(NotRtlTcp):
            await connect(server.address, TUNING)
    with pytest.raises(Lost, match="cannot be reached"):
        await connect(server.address, TUNING)
