"""CPU time of decoding and extracting full-size samples, and of each step, on one core.

Run: `OMP_NUM_THREADS=1 python -m benchmarks.kernels_extractor [--samples 20]`. Prints one JSON object. A sample is 7
receivers x 200,000 complex ci16 of the default dataset.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable

import numpy as np
import scipy.fft

from extractor.extract import extract_features
from extractor.features.band import measure_band, measure_shape
from extractor.features.baseband import to_baseband
from extractor.features.delay import measure_delay
from extractor.features.envelope import measure_envelope
from extractor.features.frequency import measure_frequency
from extractor.features.noise_floor import measure_noise_floor
from extractor.features.power import largest_component
from extractor.features.spectrum import SEGMENT, measure_spectrum
from iqstream.runtime.heap import keep_freed_memory
from producer.synthesize import synthesize_sample
from producer.version import GENERATOR_VERSION
from schemas import DatasetSpec, IQFrame, decode, encode

RATE_HZ, CHUNK = 200_000.0, 40_000
CHUNKS_OF_SAMPLE = 35


def median_ms(step: Callable[[], object], repeats: int) -> float:
    """Returns the median CPU time of one call; the first, which compiles, is left out."""
    step()
    spent = []
    for _ in range(repeats):
        began = time.process_time()
        step()
        spent.append(time.process_time() - began)
    return float(np.median(spent)) * 1000


def wire_frames(samples: int) -> list[list[bytes]]:
    """Returns the encoded frames of samples of the default dataset, in ci16."""
    spec = DatasetSpec(
        dataset_id="00000000-0000-4000-8000-000000000000",
        name="benchmark",
        samples=samples,
        generator_version=GENERATOR_VERSION,
        datatype="ci16_le",
    )
    return [[encode(frame) for frame in synthesize_sample(spec, index).frames] for index in range(samples)]


def extract(frames: list[bytes]) -> None:
    for data in frames:
        frame = decode(data, IQFrame)
        extract_features(frame.samples(), frame.sample_rate_hz, frame.chunk_ms / 1000)


def sample_costs(samples: list[list[bytes]]) -> dict[str, float]:
    """Returns the median over the samples."""
    extract(samples[0])
    before = resource.getrusage(resource.RUSAGE_SELF)
    spent = []
    for frames in samples:
        began = time.process_time()
        extract(frames)
        spent.append(time.process_time() - began)
    after = resource.getrusage(resource.RUSAGE_SELF)
    milliseconds = float(np.median(spent)) * 1000
    return {
        "decode_and_extract_ms": round(milliseconds, 3),
        "samples_per_s_per_core": round(1000 / milliseconds, 1),
        "system_ms_of_it": round((after.ru_stime - before.ru_stime) / len(samples) * 1000, 3),
    }


def step_costs(data: bytes, repeats: int) -> dict[str, float]:
    """Cost of every step for the 35 chunks of a sample, in ms, from one chunk of a frame."""
    frame = decode(data, IQFrame)
    iq = frame.samples()
    chunk = iq[:CHUNK]
    spectrum = measure_spectrum(chunk, RATE_HZ)
    assert spectrum is not None
    spectrum = spectrum._replace(segments=spectrum.segments.copy())
    floor = measure_noise_floor(spectrum)
    band = measure_band(spectrum, floor)
    assert band is not None
    baseband, density = to_baseband(spectrum, band), floor.power / RATE_HZ
    segments = np.ones((spectrum.segments.shape[0], SEGMENT), np.complex64)
    steps: dict[str, Callable[[], object]] = {
        "envelope": lambda: measure_envelope(chunk),
        "spectrum": lambda: measure_spectrum(chunk, RATE_HZ),
        "FFTs of it": lambda: scipy.fft.fft(segments, axis=1, workers=1, overwrite_x=True),
        "noise floor": lambda: measure_noise_floor(spectrum),
        "band": lambda: measure_band(spectrum, floor),
        "shape": lambda: measure_shape(spectrum, floor),
        "baseband": lambda: to_baseband(spectrum, band),
        "frequency": lambda: measure_frequency(spectrum, band, baseband, density),
        "delay": lambda: measure_delay(baseband, density),
    }
    costs = {name: CHUNKS_OF_SAMPLE * median_ms(step, repeats) for name, step in steps.items()}
    costs["decoding"] = 7 * median_ms(lambda: decode(data, IQFrame).samples(), repeats)
    costs["search for NaN"] = 7 * median_ms(lambda: largest_component(iq), repeats)
    costs["memcpy of 11.2 MB"] = 7 * median_ms(iq.copy, repeats)
    return {name: round(value, 3) for name, value in costs.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="CPU cost of the extractor's core on one core.")
    parser.add_argument("--samples", type=int, default=20, help="full-size samples to time (default 20)")
    given = parser.parse_args()
    keep_freed_memory()  # as every worker does
    wire = wire_frames(given.samples)
    print(json.dumps({"sample": sample_costs(wire), "sample_ms": step_costs(wire[0][0], 200)}, indent=2))
