"""How much disk space a dataset takes, estimated before it is created."""

from typing import NamedTuple

from iqstream.runtime.disk import require_free
from iqstream.runtime.setting_values import UNBOUNDED
from iqstream.runtime.settings import Settings, read_env_file, state_directory
from schemas import DatasetSpec, pair_count

NPY_BYTES_PER_SAMPLE = 8
WIRE_BYTES_PER_SAMPLE = 4
"""At most, of 16-bit integers; of floats twice as many."""
ROW_BYTES_PER_RECEIVER = 2048
"""A row and its outcome, in PostgreSQL."""
FEATURES_BYTES_PER_RECEIVER = 2560
"""A feature record, in Kafka."""
PAIR_BYTES = 512
"""A measured pair of receivers: in PostgreSQL, or in Kafka."""
RESERVE_BYTES = 1024**3


class Disk(NamedTuple):
    """Bytes at most."""

    objects: int
    frames: int
    features: int
    rows: int


def disk_of(spec: DatasetSpec, settings: Settings | None = None) -> Disk:
    """Returns the most bytes that objects, frames, features and rows take; retention, if known, limits Kafka's."""
    recording = spec.capture.samples
    recordings = spec.samples * len(spec.receivers)
    wire = WIRE_BYTES_PER_SAMPLE * (2 if spec.datatype == "cf32_le" else 1)
    frames = recordings * recording * wire if spec.publish == "frames" else 0
    pairs = spec.samples * pair_count(len(spec.receivers)) * PAIR_BYTES if spec.pairs else 0
    features = recordings * FEATURES_BYTES_PER_RECEIVER + pairs
    if settings is not None:
        retained = settings.partitions * (settings.frames_retention_bytes + settings.frames_segment_bytes)
        frames = min(frames, retained)
        if settings.features_retention_bytes != UNBOUNDED:
            features = min(features, 2 * settings.partitions * settings.features_retention_bytes)
    return Disk(
        objects=min(spec.samples, spec.iq_samples) * len(spec.receivers) * recording * NPY_BYTES_PER_SAMPLE,
        frames=frames,
        features=features,
        rows=recordings * ROW_BYTES_PER_RECEIVER + pairs,
    )


def needed_bytes(spec: DatasetSpec, settings: Settings | None = None) -> int:
    """Returns the most bytes that objects, frames, features and rows take, and a reserve."""
    return sum(disk_of(spec, settings)) + RESERVE_BYTES


def check_room_for(spec: DatasetSpec, settings: Settings) -> None:
    """Checks the embedded servers' disk; other servers are not checked.

    Raises:
        UserError: not enough, with both figures.
    """
    state_dir = state_directory()
    embedded = read_env_file(state_dir / "env").get("IQSTREAM_S3_ENDPOINT") == settings.s3_endpoint
    if embedded:
        require_free(state_dir, needed_bytes(spec, settings))
