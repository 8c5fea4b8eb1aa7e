"""A sample as NumPy arrays, one file per receiver, with their metadata and truth in a JSON file beside them."""

import io
from collections.abc import Iterator

import numpy as np

from iqstream.dataset.sample_iq import SampleIQ
from iqstream.export.iq_facts import facts_of, json_bytes, recording_name, sample_name, seconds_utc, stored_iq
from schemas.iq_frame import component_dtype


def npy_files(sample: SampleIQ, *, integers: bool) -> Iterator[tuple[str, bytes]]:
    """Yields names and contents: arrays complex64 (n,), or with `integers` those of the wire, (n, 2); then the JSON."""
    recordings = {}
    for rx_id, frame in sample.frames.items():
        datatype, scale, iq = stored_iq(frame, integers=integers)
        components = np.frombuffer(iq, component_dtype(datatype))
        array = components.view("<c8") if datatype == "cf32_le" else components.reshape(-1, 2)
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        name = f"{recording_name(sample.sample_idx, rx_id)}.npy"
        yield name, buffer.getvalue()
        recordings[rx_id] = {
            "file": name,
            "datatype": datatype,
            "sample_rate_hz": frame.sample_rate_hz,
            "center_frequency_hz": frame.center_frequency_hz,
            "captured_at": seconds_utc(frame.captured_at_ns),
            "latitude": frame.receiver.latitude,
            "longitude": frame.receiver.longitude,
            "altitude_m": frame.receiver.altitude_m,
            **facts_of(sample, frame, scale),
        }
    yield f"{sample_name(sample.sample_idx)}.json", json_bytes(recordings)
