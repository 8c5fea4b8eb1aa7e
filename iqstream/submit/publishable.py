"""Whether a dataset's messages fit the limits of the topics, checked before its row is created."""

from collections.abc import Callable, Mapping

import msgspec

from iqstream.runtime.aiokafka_internals import DefaultRecordBatchBuilder
from iqstream.runtime.cluster_topics import topic_configs
from iqstream.runtime.errors import Unreachable, UserError
from iqstream.runtime.kafka import MAX_REQUEST_BYTES, admin_client
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import FRAMES, JOBS
from producer.frame_size import largest_frame, largest_frame_bytes
from schemas import Capture, DatasetSpec, GenerationShard, SchemaError, decode, encode, headers, sample_key

LIMITING = ("max.message.bytes", "segment.bytes")
"""Settings of a topic that a record, in a batch of its own, must not exceed."""
LOWEST_RATE_HZ = 1_000
MAX_SAMPLE_IQ = 16 * 1024 * 1024
"""Complex samples of all recordings of one transmission: those of 64 receivers at the limit of frames, 64 MiB."""


async def check_publishable(settings: Settings, spec: DatasetSpec) -> None:
    """Checks that the topics exist and accept the dataset's shards and frames, if it publishes frames.

    Raises:
        UserError: a frame or a shard is larger than its topic takes, a sample too large for a worker's memory, or the
            emission wider than what is recorded; says what fits.
        Unreachable: no broker, or it has none of our topics.
    """
    from producer.emission import require_bandwidth  # brings the producer's kernels

    try:
        require_bandwidth(spec)
    except ValueError as error:
        raise UserError(f"dataset: {error}") from None
    topics = [JOBS, FRAMES] if spec.publish == "frames" else [JOBS]
    async with admin_client(settings) as admin:
        existing = await admin.list_topics()
        for topic in topics:
            if topic not in existing:
                raise Unreachable(f"Kafka at {settings.kafka_bootstrap} has no topic {topic}: run `iqstream init`.")
        limits = {topic: _limit(config) for topic, config in (await topic_configs(admin, topics)).items()}
    if spec.publish == "frames":
        check_frames(spec, limits[FRAMES])
    else:
        check_memory(spec)
    check_shards(spec, limits[JOBS])


def check_frames(spec: DatasetSpec, limit_bytes: int) -> None:
    """Raises UserError where a frame of the spec can be larger than the topic's limit; says the largest that fits."""
    largest = frame_record_bytes(spec)
    if largest <= limit_bytes:
        return
    capture = spec.capture
    shorter = _most(capture.capture_ms, lambda ms: _fits(spec, limit_bytes, capture.sample_rate_hz, ms))
    slower = _most(
        int(capture.sample_rate_hz), lambda rate_hz: _fits(spec, limit_bytes, float(rate_hz), capture.capture_ms)
    )
    ways = []
    if shorter:
        ways.append(f"capture_ms of at most {shorter} at this rate")
    if slower >= LOWEST_RATE_HZ:
        ways.append(f"sample_rate_hz of at most {slower} at this length")
    if spec.datatype == "cf32_le":
        ways.append("datatype auto, with half the bytes")
    raise UserError(
        f"capture: a recording of {capture.capture_ms} ms at {capture.sample_rate_hz:g} Hz ({spec.datatype}) is up to "
        f"{largest:,} bytes on {FRAMES}, which accepts at most {limit_bytes:,}. "
        + (f"What fits: {', or '.join(ways)}." if ways else f"Raise {' and '.join(LIMITING)} of {FRAMES}.")
    )


def check_memory(spec: DatasetSpec) -> None:
    """Raises UserError where the recordings of a sample, whose frames no topic limits, are too much for a worker."""
    recordings, capture = len(spec.receivers), spec.capture
    if recordings * capture.samples <= MAX_SAMPLE_IQ:
        return
    shorter_ms = int(MAX_SAMPLE_IQ // recordings / capture.sample_rate_hz * 1000)
    raise UserError(
        f"capture: {recordings} recordings of {capture.capture_ms} ms at {capture.sample_rate_hz:g} Hz are "
        f"{recordings * capture.samples:,} samples of IQ, and a worker holds at most {MAX_SAMPLE_IQ:,} of one "
        f"transmission. What fits: capture_ms of at most {shorter_ms} at this rate"
    )


def check_shards(spec: DatasetSpec, limit_bytes: int) -> None:
    """Raises UserError where a shard, which carries the spec, is too large to be read or for the topic's limit."""
    if _shard_fits(spec, limit_bytes):
        return
    tiles = spec.terrain.tiles

    def fits(count: int) -> bool:
        terrain = msgspec.structs.replace(spec.terrain, tiles=tiles[:count])
        return _shard_fits(msgspec.structs.replace(spec, terrain=terrain), limit_bytes)

    raise UserError(
        f"terrain.tiles: with {len(tiles)} tiles the spec is larger than {JOBS} and its readers accept; at most "
        f"{_most(len(tiles), fits)} fit. Use only the tiles around the receivers"
    )


def frame_record_bytes(spec: DatasetSpec) -> int:
    """Returns the bytes of a record batch with only the spec's largest frame: that is what the topic limits."""
    frame = largest_frame(spec)
    key = sample_key(frame.dataset_id, frame.sample_idx)
    return _batch_bytes(key, bytes(largest_frame_bytes(spec)), headers(frame))


def _shard_fits(spec: DatasetSpec, limit_bytes: int) -> bool:
    shard = GenerationShard(spec=spec, first_idx=spec.samples - 1, count=1, generation=2**31 - 1)
    record = encode(shard)
    try:
        decode(record, GenerationShard)
    except SchemaError:
        return False
    return _batch_bytes(sample_key(spec.dataset_id, shard.first_idx), record, headers(shard)) <= limit_bytes


def _fits(spec: DatasetSpec, limit_bytes: int, sample_rate_hz: float, capture_ms: int) -> bool:
    if sample_rate_hz < LOWEST_RATE_HZ:
        return True
    capture = Capture(
        sample_rate_hz=sample_rate_hz, capture_ms=capture_ms, chunk_ms=min(spec.capture.chunk_ms, capture_ms)
    )
    return frame_record_bytes(msgspec.structs.replace(spec, capture=capture)) <= limit_bytes


def _most(above: int, fits: Callable[[int], bool]) -> int:
    """The largest number below `above` that fits, 0 where 1 does not; nothing fits above one that does not."""
    low, high = 0, above
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _batch_bytes(key: bytes, value: bytes, record_headers: list[tuple[str, bytes]]) -> int:
    size: int = DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, record_headers)
    return size


def _limit(config: Mapping[str, str]) -> int:
    return min(MAX_REQUEST_BYTES, *(int(config[name]) for name in LIMITING))
