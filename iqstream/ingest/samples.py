"""Recordings to samples: windows of all receivers on one time grid, and the frame of each. No servers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from iqstream.ingest.track import Track
from iqstream.recordings import BadRecording, Recording
from iqstream.recordings.alignment import AlignedWindows, align
from iqstream.recordings.downsample import Downsampling, plan_downsampling
from iqstream.recordings.levels import find_doubts, level_of
from iqstream.recordings.windows import Window, windows_of
from iqstream.recordings.wire import as_ci16, as_recorded
from schemas import IQFrame, RecordedSpec, RecordedWindow, Station
from schemas.dataset import MAX_CAPTURE_SAMPLES
from schemas.recorded import COMPARED_BY

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IdentifiedWindow:
    """A window that can be read, and its identity (SHA-256, hex)."""

    window: Window
    identity: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordedSample:
    """What the receivers recorded at one time on one centre frequency."""

    windows: tuple[IdentifiedWindow, ...]
    """One of each receiver."""
    unaligned: str
    """Why it is one of a receiver alone; else empty."""

    @property
    def comparable(self) -> bool:
        """Whether there are receivers between which time differences can be measured."""
        sources = [one.window.recording.time_source for one in self.windows]
        return sum(source in COMPARED_BY for source in sources) >= 2


class Cutter:
    """Cuts recordings into samples, all in the same way."""

    def __init__(self, window_ms: int, sample_rate_hz: float | None) -> None:
        """`sample_rate_hz`: to which they are resampled; None: each keeps its own."""
        self._grid_ns = window_ms * NS_PER_MS
        self._wanted_hz = sample_rate_hz
        self._plans: dict[float, Downsampling] = {}
        self.failures: list[BadRecording] = []
        """What could not be read so far; the first of each file and kind."""
        self._failed: set[tuple[str, str]] = set()

    def samples(self, recordings: Sequence[Recording]) -> Iterator[RecordedSample]:
        """The samples in the order of time; reads every window once, and leaves out what cannot be read."""
        fit = []
        for recording in recordings:
            if problem := self.misfit(recording):
                self._note(recording, "", problem)
            else:
                fit.append(recording)
        context = max(map(self.context_samples, fit), default=0)
        for aligned in align(fit, self._grid_ns, context):
            found = [one for window in aligned.windows if (one := self._identified(window)) is not None]
            if found:
                yield RecordedSample(windows=tuple(found), unaligned=aligned.unaligned)
        for recording in fit:
            if next(windows_of(recording, self._grid_ns, context), None) is None:
                self._note(recording, "", f"holds no whole window of {self._grid_ns // NS_PER_MS} ms: --window-ms")

    def of_whole_files(self, samples: Sequence[RecordedSample]) -> list[RecordedSample]:
        """The samples without the windows of files that have changed since they were opened.

        A recorder is at work on such a file. What were noted of it now could not be published, and would not be taken
        when the file is whole.
        """
        recordings = {one.window.recording.storage.path: one.window.recording for s in samples for one in s.windows}
        changed = set()
        for path, recording in recordings.items():
            try:
                recording.storage.require_unchanged()
            except BadRecording as error:
                self._note(recording, error.place, error.problem)
                changed.add(path)
        kept = (
            replace(sample, windows=tuple(w for w in sample.windows if w.window.recording.storage.path not in changed))
            for sample in samples
        )
        return [sample for sample in kept if sample.windows]

    def frame(
        self, spec: RecordedSpec, sample_idx: int, sample: RecordedSample, at: int, station: Station, track: Track
    ) -> IQFrame:
        """The frame of one window of a sample.

        Raises:
            BadRecording: the file has changed since it was cut, or cannot be read.
        """
        one = sample.windows[at]
        window, recording = one.window, one.window.recording
        plan = self._plan(recording) if self._wanted_hz is not None else None
        resampled = plan is not None and plan.up != plan.down
        wire = as_ci16(recording, plan.read(window)) if plan is not None and resampled else as_recorded(window)
        doubts = find_doubts(window.read_raw(), recording.storage.datatype)
        _, reference = level_of(recording)
        started_at_ns = window.started_at_ns
        middle_ns = None
        if window.grid_index is not None:  # the same for all receivers
            middle_ns = window.grid_index * window.grid_ns + window.grid_ns // 2
        return IQFrame(
            dataset_id=spec.dataset_id,
            dataset_version=spec.dataset_version,
            sample_idx=sample_idx,
            receivers_expected=len(sample.windows),
            pairs_expected=spec.pairs,
            receiver=station,
            captured_at_ns=started_at_ns or 0,
            center_frequency_hz=recording.center_frequency_hz,
            sample_rate_hz=plan.new_rate_hz if plan is not None and resampled else recording.sample_rate_hz,
            chunk_ms=spec.chunk_ms,
            datatype=wire.datatype,
            scale=wire.scale,
            truth=None,
            position=track.at(middle_ns),
            recorded=RecordedWindow(
                file=storable_name(recording.storage.path.name),
                first_sample=window.first_sample,
                identity=one.identity,
                time_source=recording.time_source if started_at_ns is not None else "none",
                late_samples=window.late_samples,
                level_reference=reference,
                clipped_share=doubts.clipped_share,
                clipped=doubts.clipped,
                dc_dominates=doubts.dc_dominates,
                agc_suspected=doubts.agc_suspected or recording.automatic_gain,
                dc_of_device=recording.dc_of_device,
                unaligned=storable_name(sample.unaligned)[:500],
                lost_before_s=window.lost_before_s if window.lost_before_s is not None else msgspec.UNSET,
            ),
            iq=memoryview(wire.iq),
        )

    def _identified(self, window: Window) -> IdentifiedWindow | None:
        try:
            if window.recording.storage.datatype.component.kind == "f":
                window.read()  # every sample a number
            return IdentifiedWindow(window=window, identity=window.identity())
        except BadRecording as error:
            self._note(window.recording, error.place, error.problem)
            return None

    def misfit(self, recording: Recording) -> str:
        """Why no window of a recording can be a frame; empty where they can."""
        try:
            samples = self._plan(recording).new_rate_hz * self._grid_ns / 1e9
        except ValueError as error:
            return str(error)
        if samples > MAX_CAPTURE_SAMPLES:
            return f"a window of {samples:.0f} samples, at most {MAX_CAPTURE_SAMPLES}: --window-ms, --to-rate"
        return "a window is shorter than a sample: --window-ms" if samples < 1 else ""

    def context_samples(self, recording: Recording) -> int:
        """That have to stand on either side of a recording's windows."""
        return 0 if self._wanted_hz is None else self._plan(recording).context_samples

    def _plan(self, recording: Recording) -> Downsampling:
        rate_hz = recording.sample_rate_hz
        if rate_hz not in self._plans:
            self._plans[rate_hz] = plan_downsampling(rate_hz, rate_hz if self._wanted_hz is None else self._wanted_hz)
        return self._plans[rate_hz]

    def _note(self, recording: Recording, place: str, problem: str) -> None:
        path = recording.storage.path
        kind = "" if place.startswith("sample") else problem
        if (str(path), kind) not in self._failed:
            self._failed.add((str(path), kind))
            self.failures.append(BadRecording(path, place, problem))


def identified(aligned: AlignedWindows) -> RecordedSample:
    """A sample of windows that can be read; raises BadRecording where one cannot."""
    windows = tuple(IdentifiedWindow(window=window, identity=window.identity()) for window in aligned.windows)
    return RecordedSample(windows=windows, unaligned=aligned.unaligned)


def storable_name(text: str) -> str:
    """Text as records and PostgreSQL can hold it: no NUL, no lone surrogate; at most 255 characters."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")[:255]
