"""Listening: what receivers send becomes samples of a dataset that grows, until it is ended.

How many samples there are stands in Kafka, moved in the transactions that publish them. Nothing is noted before: what
was not published when the process is killed is lost, as what is sent while nobody listens, and cannot come again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from iqstream.catalogue.datasets import Dataset, find_dataset
from iqstream.catalogue.extended import grow_again
from iqstream.catalogue.new_datasets import create_dataset
from iqstream.catalogue.postgres import Pool
from iqstream.ingest.live.cut import LiveWindows
from iqstream.ingest.live.given import AskedLive, Heard, Listened, Source
from iqstream.ingest.live.publish import AWAY, LivePublisher
from iqstream.ingest.live.receive import Reception, now_ns
from iqstream.ingest.live.recorder import Recorder
from iqstream.ingest.live.rtl_tcp import Connection, Lost, NotRtlTcp, connect
from iqstream.ingest.live.together import Together
from iqstream.ingest.live.waiting import Waiting
from iqstream.ingest.network import named
from iqstream.ingest.publish import Publisher, check_frames
from iqstream.ingest.samples import Cutter, identified
from iqstream.ingest.spec import agreed_spec, find_recorded, new_spec
from iqstream.ingest.version import LISTEN_VERSION
from iqstream.recordings import BadRecording, Provenance, Recording
from iqstream.recordings.alignment import AlignedWindows
from iqstream.recordings.datatype import parse_datatype
from iqstream.recordings.held import HeldSamples
from iqstream.recordings.windows import Window, samples_in
from iqstream.runtime.errors import Failed, Unreachable, UserError
from iqstream.runtime.settings import Settings
from iqstream.shards import SUBMITTED_VERSION
from schemas import IQFrame, RecordedSpec
from schemas.dataset import MAX_SAMPLES

TICK_S = 1.0
PUBLISHED_WITHIN_S = 20.0
"""At the end, what still waits."""
NS_PER_MS = 1_000_000
_CU8 = parse_datatype("cu8")


async def listen(
    settings: Settings,
    pool: Pool,
    asked: AskedLive,
    *,
    stop: asyncio.Event,
    on_dataset: Callable[[str], None],
    on_tick: Callable[[Listened], None],
    on_event: Callable[[str], None],
) -> Listened:
    """Publishes what receivers send until `stop`, or until somebody ends the dataset; else it grows still.

    Receivers and Kafka that go away are waited for. Memory is bounded: what finds no room is left out and counted.

    Raises:
        UserError: the dataset cannot take it.
        Unreachable: a server or a receiver is away at the beginning.
        Failed: something else answers at a receiver's address, or another one listens into the dataset since.
    """
    if asked.pairs:
        raise UserError("pairs: what rtl_tcp sends has no time stamps, so time differences cannot be measured")
    dataset = await find_recorded(pool, asked.name)
    recordings = named([_recording(source, asked.dbm_at_full_scale) for source in asked.sources], asked.calibration_dbm)
    _require_names(recordings)
    if dataset is None:
        spec = new_spec(asked, recordings, LISTEN_VERSION)
    else:
        spec = agreed_spec(dataset, asked, recordings, LISTEN_VERSION)
    spec = msgspec.structs.replace(spec, samples=MAX_SAMPLES)  # at most: it grows
    cutter = Cutter(spec.window_ms, spec.sample_rate_hz)
    failures: list[BadRecording] = []
    publisher = Publisher(settings, spec, cutter, asked.track, failures)
    await check_frames(settings, [_silent_frame(publisher, cutter, spec, recording) for recording in recordings])
    if asked.record is not None:
        _require_folder(asked.record)
    connections = await _connected(asked.sources)
    try:
        if dataset is None:
            await create_dataset(pool, spec, status="running", description=asked.description)
        elif not dataset.grows:
            await grow_again(pool, dataset, spec.samples)
        on_dataset(spec.dataset_id)
        if spec.unplaced:
            on_event(f"where {', '.join(spec.unplaced)} stands is not known (--at): they have no part in geometry")
        listening = _Listening(pool, spec, asked, cutter, recordings, publisher, on_tick, on_event)
        return await listening.run(connections, dataset, stop)
    finally:
        for connection in connections:
            connection.close()


class _Listening:
    """Receivers on one side, the publisher on the other, and what waits between them."""

    def __init__(
        self,
        pool: Pool,
        spec: RecordedSpec,
        asked: AskedLive,
        cutter: Cutter,
        recordings: Sequence[Recording],
        publisher: Publisher,
        on_tick: Callable[[Listened], None],
        on_event: Callable[[str], None],
    ) -> None:
        self._pool = pool
        self._spec = spec
        self._grid_ns = spec.window_ms * NS_PER_MS
        self._on_tick = on_tick
        self._together = Together()
        self._waiting = Waiting()
        self._publisher = LivePublisher(publisher, spec, self._waiting, on_event)
        self._heard = {recording.rx_name: Heard() for recording in recordings}
        by_id = {receiver.rx_id: receiver for receiver in spec.receivers}
        self._receptions = [
            Reception(
                source,
                LiveWindows(recording, self._grid_ns, cutter.context_samples(recording)),
                None if asked.record is None else Recorder(asked.record, recording, by_id[recording.rx_name]),
                on_window=self._take,
                connected=self._together.connected,
                on_event=on_event,
            )
            for source, recording in zip(asked.sources, recordings, strict=True)
        ]

    async def run(self, connections: Sequence[Connection], dataset: Dataset | None, stop: asyncio.Event) -> Listened:
        """Until `stop`, until somebody ends the dataset, or until every receiver was given up."""
        known, decided = 0, 0
        if dataset is not None:
            known, decided = (0 if dataset.grows else dataset.requested), dataset.decided
        publishing = asyncio.create_task(self._publisher.run(known, decided))
        receiving = [
            asyncio.create_task(reception.run(connection))
            for reception, connection in zip(self._receptions, connections, strict=True)
        ]
        watching = asyncio.create_task(self._watch(stop))
        try:
            await _first_end(publishing, watching, receiving)
            await _cancelled(receiving)
            for sample in self._together.rest():
                self._wait_for(sample)
            self._waiting.end()
            await self._publish_rest(publishing)
        finally:
            await _cancelled([publishing, watching, *receiving])
        return self._standing()

    async def _publish_rest(self, publishing: asyncio.Task[None]) -> None:
        try:
            async with asyncio.timeout(PUBLISHED_WITHIN_S):
                await asyncio.shield(publishing)
        except TimeoutError:
            raise Unreachable(
                f"{self._publisher.pending} samples of {self._spec.name!r} could not be published within "
                f"{PUBLISHED_WITHIN_S:g} s, and are lost. The dataset still grows: "
                f"`iqstream datasets end {self._spec.dataset_id}` ends it at what is published"
            ) from None

    async def _watch(self, stop: asyncio.Event) -> None:
        """Returns when `stop` is set, or somebody has ended the dataset."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await stop.wait()
            if stop.is_set():
                return
            for sample in self._together.ready(self._grid_ns, now_ns()):
                self._wait_for(sample)
            self._on_tick(self._standing())
            try:
                if not (await find_dataset(self._pool, self._spec.dataset_id, version=SUBMITTED_VERSION)).is_growing:
                    return
            except AWAY:
                continue

    def _take(self, window: Window, unaligned: str) -> None:
        for sample in self._together.add(window, unaligned, now_ns()):
            self._wait_for(sample)

    def _wait_for(self, sample: AlignedWindows) -> None:
        kept = self._waiting.put(sample)
        for window in kept.windows if kept is not None else ():
            heard, lost_s = self._heard[window.recording.rx_name], window.lost_before_s or 0.0
            self._heard[window.recording.rx_name] = replace(
                heard, windows=heard.windows + 1, gaps=heard.gaps + (lost_s > 0), lost_s=heard.lost_s + lost_s
            )

    def _standing(self) -> Listened:
        heard: Mapping[str, Heard] = {
            rx_id: replace(one, outages=reception.outages)
            for (rx_id, one), reception in zip(self._heard.items(), self._receptions, strict=True)
        }
        return Listened(
            dataset_id=self._spec.dataset_id,
            name=self._spec.name,
            samples=self._publisher.position,
            published=self._publisher.published,
            waiting=self._publisher.pending,
            receivers=heard,
            problems=tuple(problem for reception in self._receptions for problem in reception.problems),
        )


async def _first_end(
    publishing: asyncio.Task[None], watching: asyncio.Task[None], receiving: Sequence[asyncio.Task[None]]
) -> None:
    """Until there is a reason to end: asked for, nobody left to listen to, or an error, which is raised."""
    running = {publishing, watching, *receiving}
    while True:
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if done & {publishing, watching} or running == {publishing, watching}:
            return


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _connected(sources: Sequence[Source]) -> list[Connection]:
    """Connections to all receivers; raises Failed or Unreachable where one of them cannot be listened to."""
    found = await asyncio.gather(
        *(connect(source.address, source.tuning) for source in sources), return_exceptions=True
    )
    connections = [one for one in found if isinstance(one, Connection)]
    errors = [one for one in found if isinstance(one, BaseException)]
    if not errors:
        return connections
    for connection in connections:
        connection.close()
    for error in errors:
        if not isinstance(error, Lost):
            raise error
    problem = "; ".join(map(str, errors))
    if any(isinstance(error, NotRtlTcp) for error in errors):
        raise Failed(problem)
    raise Unreachable(f"{problem}. Start rtl_tcp there (`rtl_tcp -a 0.0.0.0`), or leave the receiver out")


def _recording(source: Source, dbm_at_full_scale: float | None) -> Recording:
    """What is known of a receiver before it sends; it holds no samples."""
    return Recording(
        rx_name=source.rx_id,
        sample_rate_hz=float(source.tuning.sample_rate_hz),
        center_frequency_hz=float(source.tuning.center_frequency_hz),
        segments=(),
        time_source="arrival",
        position=None,
        dbm_at_full_scale=dbm_at_full_scale,
        dc_of_device=True,
        automatic_gain=source.tuning.automatic,
        storage=HeldSamples(
            path=Path(str(source.address)), datatype=_CU8, first_sample=0, raw=np.zeros((0, 2), np.uint8)
        ),
        provenance=Provenance(file_format="rtl_tcp", metadata=str(source.address)),
    )


def _silent_frame(publisher: Publisher, cutter: Cutter, spec: RecordedSpec, recording: Recording) -> IQFrame:
    """A frame as they will be, to see whether it can be published. Raises UserError where none can be made."""
    if problem := cutter.misfit(recording):
        raise UserError(f"{recording.rx_name}: {problem}")
    grid_ns, context = spec.window_ms * NS_PER_MS, cutter.context_samples(recording)
    samples = samples_in(grid_ns, recording.sample_rate_hz)
    raw = np.full((samples + 2 * context, 2), 128, np.uint8)
    window = Window(
        recording=replace(
            recording, storage=HeldSamples(path=recording.storage.path, datatype=_CU8, first_sample=0, raw=raw)
        ),
        first_sample=context,
        samples=samples,
        grid_index=0,
        grid_ns=grid_ns,
        late_samples=0.0,
    )
    return publisher.frame(0, identified(AlignedWindows(windows=(window,), unaligned="")), 0)


def _require_names(recordings: Sequence[Recording]) -> None:
    names = [recording.rx_name for recording in recordings]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"two receivers are called {', '.join(twice)}: name them, as ID=rtl_tcp://HOST:PORT")


def _require_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".iqstream-can-write"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UserError(f"--record {folder}: {error.strerror or error}") from None
