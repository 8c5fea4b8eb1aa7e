"""Datasets of real recordings for tests, and files of what several receivers recorded."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np

from schemas import Receiver, RecordedSpec, RecordedWindow
from tests.recording_files import capture_of, metadata, write_pair

RECEIVERS = (
    Receiver(rx_id="rx0", latitude=45.0, longitude=7.0, altitude_m=0.0),
    Receiver(rx_id="rx1", latitude=45.3, longitude=7.2, altitude_m=100.0),
    Receiver(rx_id="rx2", latitude=45.0, longitude=7.5, altitude_m=200.0),
)


KIWI = Path(__file__).parents[2] / "shared" / "recordings" / "kiwi"
"""DCF77 heard by three receivers with satellite time stamps. Not part of the project: tests skip where it is not."""
KIWI_RECEIVERS = {"rxa": (53.67, 7.28), "rxb": (45.78, 0.61), "rxc": (47.17, 8.43)}
DCF77 = (50.0152, 9.0112)


def recorded_spec(**changes):
    dataset_id = str(uuid4())
    fields = {
        "dataset_id": dataset_id,
        "name": f"Recorded {dataset_id}",
        "samples": 1,
        "ingest_version": "1",
        "receivers": RECEIVERS,
    }
    return RecordedSpec(**(fields | changes))


def recorded_window(**changes):
    fields = {
        "file": "one.cu8",
        "first_sample": 0,
        "identity": "0" * 64,
        "time_source": "gnss",
        "late_samples": 0.25,
        "level_reference": "dbfs",
        "clipped_share": 0.0,
        "clipped": False,
        "dc_dominates": False,
        "agc_suspected": False,
        "dc_of_device": False,
    }
    return RecordedWindow(**(fields | changes))


RATE_HZ = 48_000.0
CENTER_HZ = 433.92e6
STARTED = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


def tone(seconds: float, seed: int, *, offset_hz: float = 3_000.0) -> np.ndarray:
    """A carrier of a third of full scale over noise, as unsigned bytes (n, 2) with the DC of a dongle."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE_HZ)
    iq = 0.3 * np.exp(2j * np.pi * offset_hz * np.arange(count) / RATE_HZ)
    iq += 0.02 * (rng.standard_normal(count) + 1j * rng.standard_normal(count))
    return np.clip(np.rint(np.stack([iq.real, iq.imag], axis=1) * 127 + 127.5), 0, 255).astype(np.uint8)


def write_recordings(folder: Path, seconds: float, *, receivers=RECEIVERS, late_s: float = 0.0) -> list[Path]:
    """A SigMF pair of each receiver, of the same time; returns the metadata files."""
    started = (STARTED + timedelta(seconds=late_s)).isoformat().replace("+00:00", "Z")
    found = []
    for number, receiver in enumerate(receivers):
        place = {"type": "Point", "coordinates": [receiver.longitude, receiver.latitude, receiver.altitude_m]}
        meta = metadata(
            "cu8", [capture_of(0, frequency=CENTER_HZ, datetime=started, geolocation=place)], sample_rate=RATE_HZ
        )
        found.append(write_pair(folder, receiver.rx_id, tone(seconds, number).tobytes(), meta))
    return found
