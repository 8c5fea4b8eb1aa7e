"""Recordings of real receivers: files of several formats opened, read in windows and aligned in time. No servers."""

from iqstream.recordings.errors import BadRecording
from iqstream.recordings.given import Given
from iqstream.recordings.open import Opened, open_recordings
from iqstream.recordings.recording import Gap, Position, Provenance, Recording, Segment
from schemas.recorded import TimeSource

__all__ = [
    "BadRecording",
    "Gap",
    "Given",
    "Opened",
    "Position",
    "Provenance",
    "Recording",
    "Segment",
    "TimeSource",
    "open_recordings",
]
