"""What a receiver sends, kept as a SigMF recording: bytes as they came, a capture behind every gap."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from iqstream.recordings.recording import NS_PER_S, Recording, duration_ns
from schemas import Station

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Recorder:
    """One recording, begun with its first samples. Its metadata is whole at any moment, should it be killed."""

    def __init__(self, folder: Path, recording: Recording, station: Station) -> None:
        self._folder = folder
        self._recording = recording
        self._station = station
        self._file: BinaryIO | None = None
        self._meta_path = folder
        self._samples = 0
        self._captures: list[dict[str, Any]] = []
        self._gaps: list[dict[str, Any]] = []
        self._capture_ns = 0

    def write(self, raw: bytes, started_at_ns: int, gap: str) -> None:
        """Adds whole samples; `gap` says why time is missing before them, and is empty where none is.

        Raises:
            OSError: the disk is full, or the folder is gone.
        """
        if self._file is None or gap:
            self._begin_capture(started_at_ns, gap)
        assert self._file is not None  # noqa: S101  # `_begin_capture` opens it
        self._file.write(raw)
        self._samples += len(raw) // 2

    def close(self) -> None:
        """Ends the recording."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin_capture(self, started_at_ns: int, gap: str) -> None:
        if self._file is None:
            self._open(started_at_ns)
        else:
            last = self._captures[-1]["core:sample_start"]
            expected_ns = self._capture_ns + duration_ns(self._samples - last, self._recording.sample_rate_hz)
            started_at_ns = max(started_at_ns, expected_ns)  # times of arrival are not exact, and never go back here
            lost_s = (started_at_ns - expected_ns) / NS_PER_S
            self._gaps.append(
                {
                    "core:sample_start": self._samples,
                    "core:label": "gap",
                    "core:comment": f"{lost_s:.3f} s are missing before this sample: {gap}",
                }
            )
        self._capture_ns = started_at_ns
        self._captures.append(
            {
                "core:sample_start": self._samples,
                "core:frequency": self._recording.center_frequency_hz,
                "core:datetime": _utc(started_at_ns).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            }
        )
        self._write_metadata()

    def _open(self, started_at_ns: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        stem = f"{self._station.rx_id}_{_utc(started_at_ns):%Y%m%dT%H%M%SZ}"
        number = 1
        while True:
            name = stem if number == 1 else f"{stem}-{number}"
            try:
                # Without a buffer: what is written is there when the process is killed.
                self._file = (self._folder / f"{name}.sigmf-data").open("xb", buffering=0)
                break
            except FileExistsError:
                number += 1
        self._meta_path = self._folder / f"{name}.sigmf-meta"

    def _write_metadata(self) -> None:
        recording, placed = self._recording, self._station.placed
        said = {
            "core:version": "1.2.5",
            "core:datatype": recording.datatype,
            "core:sample_rate": recording.sample_rate_hz,
            "core:num_channels": 1,
            "core:recorder": "iqstream",
            "core:hw": f"rtl_tcp {recording.storage.path}",
            "core:extensions": [{"name": "iqstream", "version": "1.0.0", "optional": True}],
            "iqstream:rx_id": self._station.rx_id,
            "iqstream:time_source": recording.time_source,
            "iqstream:automatic_gain": recording.automatic_gain,
        }
        if placed is not None:
            place = [placed.longitude, placed.latitude, placed.altitude_m]
            said["core:geolocation"] = {"type": "Point", "coordinates": place}
        text = json.dumps({"global": said, "captures": self._captures, "annotations": self._gaps}, indent=1)
        beside = self._meta_path.with_suffix(".sigmf-meta.part")
        beside.write_text(text, encoding="utf-8")
        beside.replace(self._meta_path)


def _utc(at_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_ns // 1000)
