"""How much disk space a dataset takes, estimated before it is created."""

from iqstream.runtime.disk import require_free
from iqstream.runtime.setting_values import UNBOUNDED
from iqstream.runtime.settings import Settings, read_env_file, state_directory
from schemas import DatasetSpec

NPY_BYTES_PER_SAMPLE = 8
WIRE_BYTES_PER_SAMPLE = 4
ROW_BYTES_PER_RECEIVER = 2048
"""A row and its outcome, in PostgreSQL."""
FEATURES_BYTES_PER_RECEIVER = 2560
"""A feature record, in Kafka."""
RESERVE_BYTES = 1024**3


def needed_bytes(spec: DatasetSpec, settings: Settings | None = None) -> int:
    """Returns the most bytes that objects, rows, frames and features take; retention, if known, limits the latter."""
    recording = spec.capture.samples
    recordings = spec.samples * len(spec.receivers)
    objects = min(spec.samples, spec.iq_samples) * len(spec.receivers) * recording * NPY_BYTES_PER_SAMPLE
    frames = recordings * recording * WIRE_BYTES_PER_SAMPLE if spec.publish == "frames" else 0
    features = recordings * FEATURES_BYTES_PER_RECEIVER
    if settings is not None:
        retained = settings.partitions * (settings.frames_retention_bytes + settings.frames_segment_bytes)
        frames = min(frames, retained)
        if settings.features_retention_bytes != UNBOUNDED:
            features = min(features, 2 * settings.partitions * settings.features_retention_bytes)
    return objects + frames + features + recordings * ROW_BYTES_PER_RECEIVER + RESERVE_BYTES


def check_room_for(spec: DatasetSpec, settings: Settings) -> None:
    """Checks the embedded servers' disk; other servers are not checked.

    Raises:
        UserError: not enough, with both figures.
    """
    state_dir = state_directory()
    embedded = read_env_file(state_dir / "env").get("IQSTREAM_S3_ENDPOINT") == settings.s3_endpoint
    if embedded:
        require_free(state_dir, needed_bytes(spec, settings))
