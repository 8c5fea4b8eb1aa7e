"""A sample as SigMF 1.2 has it: a recording per receiver, and a collection that names them.

What the core namespace has no field for stands in `iqstream:`, in the global object. The truth of a chunk stands in an
annotation of its own, since it changes over the recording.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

from iqstream.dataset.sample_iq import SampleIQ
from iqstream.export.iq_facts import facts_of, json_bytes, recording_name, sample_name, seconds_utc, stored_iq
from schemas import IQFrame, Truth
from schemas.iq_frame import component_dtype

SPECIFICATION = "1.2.5"
NAMESPACE_VERSION = "1.0.0"
EXTENSIONS = [{"name": "iqstream", "version": NAMESPACE_VERSION, "optional": True}]


def sigmf_files(sample: SampleIQ, *, integers: bool) -> Iterator[tuple[str, bytes]]:
    """Yields names and contents: samples before their metadata, the collection last."""
    streams = []
    for rx_id, frame in sample.frames.items():
        name = recording_name(sample.sample_idx, rx_id)
        datatype, scale, iq = stored_iq(frame, integers=integers)
        yield f"{name}.sigmf-data", iq
        meta = json_bytes(_metadata(sample, frame, datatype, scale, iq))
        yield f"{name}.sigmf-meta", meta
        streams.append({"name": name, "hash": hashlib.sha512(meta).hexdigest()})
    collection = {
        "core:version": SPECIFICATION,
        "core:description": f"{sample.dataset.name}: sample {sample.sample_idx} at {len(streams)} receivers",
        "core:extensions": EXTENSIONS,
        "core:streams": streams,
    }
    yield f"{sample_name(sample.sample_idx)}.sigmf-collection", json_bytes({"collection": collection})


def _metadata(sample: SampleIQ, frame: IQFrame, datatype: str, scale: float, iq: bytes) -> dict[str, Any]:
    receiver, placed = frame.receiver, frame.receiver.placed
    count = len(iq) // (2 * component_dtype(datatype).itemsize)
    place = None if placed is None else [placed.longitude, placed.latitude, placed.altitude_m]
    return {
        "global": {
            "core:version": SPECIFICATION,
            "core:datatype": datatype,
            "core:sample_rate": frame.sample_rate_hz,
            "core:num_channels": 1,
            "core:sha512": hashlib.sha512(iq).hexdigest(),
            "core:description": f"{sample.dataset.name}: sample {sample.sample_idx} at {receiver.rx_id}",
            "core:recorder": "iqstream",
            "core:collection": sample_name(sample.sample_idx),
            "core:extensions": EXTENSIONS,
            **{f"iqstream:{name}": value for name, value in facts_of(sample, frame, scale).items()},
        },
        "captures": [
            {
                "core:sample_start": 0,
                "core:frequency": frame.center_frequency_hz,
                "core:datetime": seconds_utc(frame.captured_at_ns),
                **({} if place is None else {"core:geolocation": {"type": "Point", "coordinates": place}}),
            }
        ],
        "annotations": [] if frame.truth is None else _annotations(frame, frame.truth, count),
    }


def _annotations(frame: IQFrame, truth: Truth, count: int) -> list[dict[str, Any]]:
    """One per chunk: where the emission is in time and frequency, and how strong."""
    chunk = max(1, round(frame.sample_rate_hz * frame.chunk_ms / 1000))
    link, sent = truth.link, truth.transmitter
    centre_hz = frame.center_frequency_hz + link.frequency_offset_hz
    half_hz = (sent.occupied_bandwidth_hz or 0.0) / 2
    return [
        {
            "core:sample_start": at * chunk,
            "core:sample_count": min(chunk, count - at * chunk),
            "core:freq_lower_edge": centre_hz - half_hz,
            "core:freq_upper_edge": centre_hz + half_hz,
            "core:label": sent.modulation,
            "core:generator": "iqstream: truth of the synthesis",
            "iqstream:signal_dbm": signal_dbm,
            "iqstream:noise_dbm": noise_dbm,
            "iqstream:snr_db": snr_db,
        }
        for at, (signal_dbm, noise_dbm, snr_db) in enumerate(
            zip(link.signal_dbm, link.noise_realised_dbm, link.snr_db, strict=True)
        )
    ]
