"""What every format says of a recording, and the bytes that it stores of it."""

from typing import Any

import msgspec
import numpy as np

from iqstream.dataset.sample_iq import SampleIQ
from schemas import IQFrame
from schemas.iq_frame import Datatype


def stored_iq(frame: IQFrame, *, integers: bool) -> tuple[Datatype, float, bytes]:
    """Returns SigMF's name of the datatype, the scale in sqrt(mW) per unit, and the samples' bytes.

    With `integers` as they stand on the wire, else complex floats in sqrt(mW). Either gives `IQFrame.samples()` again.
    """
    if integers:
        return frame.datatype, frame.scale, bytes(frame.iq)
    return "cf32_le", 1.0, frame.samples().astype("<c8").tobytes()


def facts_of(sample: SampleIQ, frame: IQFrame, scale: float) -> dict[str, Any]:
    """Returns JSON values by name: which recording it is, its scale, and the truth that was put into it."""
    rx_id = frame.receiver.rx_id
    return {
        "dataset_id": sample.dataset.id,
        "dataset_version": sample.dataset.version,
        "dataset_name": sample.dataset.name,
        "generator_version": None if sample.dataset.recorded else sample.dataset.spec.generator_version,
        "sample_idx": sample.sample_idx,
        "outcome": sample.outcome,
        "reason": sample.reason,
        "rx_id": rx_id,
        "antenna_height_m": frame.receiver.antenna_height_m,
        "chunk_ms": frame.chunk_ms,
        "scale": scale,
        "wire_crc32": sample.crc32[rx_id],
        "synthesized": rx_id in sample.synthesized,
        "truth": msgspec.to_builtins(frame.truth),
        **_recorded(frame),
    }


def _recorded(frame: IQFrame) -> dict[str, Any]:
    """What only a real recording has."""
    if frame.recorded is None:
        return {}
    return {
        "level_reference": frame.recorded.level_reference,
        "recorded": msgspec.to_builtins(frame.recorded),
        "position": msgspec.to_builtins(frame.position),
    }


def recording_name(sample_idx: int, rx_id: str) -> str:
    """Returns the name of a recording's files, without an ending."""
    return f"{sample_name(sample_idx)}-{rx_id}"


def sample_name(sample_idx: int) -> str:
    """Returns the name of a sample's files, without an ending."""
    return f"sample-{sample_idx:07d}"


def json_bytes(value: object) -> bytes:
    """Returns JSON that a person can read, as UTF-8."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def seconds_utc(ns: int) -> str:
    """Returns a time, ns since 1970, as RFC 3339 has it, in UTC and to the nanosecond."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{np.datetime64(seconds, 's')}.{rest:09d}Z"
