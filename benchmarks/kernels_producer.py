"""CPU time of synthesising and encoding full-size samples, and of each kernel, on one core.

Run: `OMP_NUM_THREADS=1 python -m benchmarks.kernels_producer [--samples 40]`. Prints one JSON object.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable

import numpy as np

from producer.audio import speech_like_audio
from producer.channel import add_bundle
from producer.philox import fill_normals
from producer.quantise import round_to_integers
from producer.receiver import add_noise
from producer.synthesize import synthesize_sample
from producer.version import GENERATOR_VERSION
from producer.waveform import nbfm
from schemas import DatasetSpec, encode

COUNT, RATE_HZ = 200_000, 200_000.0
KEY = np.array([1, 2], np.uint32)


def median_ms(step: Callable[[], object], repeats: int) -> float:
    """Median CPU time of one call; the first, which compiles, is left out."""
    step()
    spent = []
    for _ in range(repeats):
        began = time.process_time()
        step()
        spent.append(time.process_time() - began)
    return round(float(np.median(spent)) * 1000, 3)


def sample_costs(samples: int) -> dict[str, float]:
    """Cost of whole samples of the default spec."""
    spec = DatasetSpec(
        dataset_id="00000000-0000-4000-8000-000000000000",
        name="benchmark",
        samples=samples + 1,
        generator_version=GENERATOR_VERSION,
    )
    indices = iter(range(10 * samples))
    synthesize_ms = median_ms(lambda: synthesize_sample(spec, next(indices)), samples)
    before = resource.getrusage(resource.RUSAGE_SELF)
    both_ms = median_ms(lambda: [encode(f) for f in synthesize_sample(spec, next(indices)).frames], samples)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "synthesize_ms": synthesize_ms,
        "synthesize_and_encode_ms": both_ms,
        "samples_per_s_per_core": round(1000 / both_ms, 1),
        "system_ms_of_it": round((after.ru_stime - before.ru_stime) / (samples + 1) * 1000, 3),
    }


def kernel_costs(repeats: int) -> dict[str, float]:
    """Cost of the steps of one recording (audio and waveform: of one sample), in ms."""
    y, gains = np.zeros(COUNT, np.complex64), np.zeros((3, 2 * (COUNT // 128 + 2)), np.float32)
    integers = np.empty(2 * COUNT, np.int16)

    def audio() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        return speech_like_audio(1.002, 50_000.0, pace=np.random.default_rng(1), noise=KEY)

    nodes = audio()
    wave = nbfm(nodes, COUNT, sample_rate_hz=RATE_HZ, peak_deviation_hz=5000.0)
    first, parts = True, (wave.cosine, wave.sine, wave.rate, wave.rate_slope)
    steps: dict[str, Callable[[], object]] = {
        "400,000 normals": lambda: fill_normals(y.view(np.float32), KEY),
        "audio": audio,
        "waveform": lambda: nbfm(nodes, COUNT, sample_rate_hz=RATE_HZ, peak_deviation_hz=5000.0),
        "one bundle of echoes": lambda: add_bundle(y.view(np.float32), first, *parts, gains, 128, 0.1),
        "noise and measurement": lambda: add_noise(y, (40_000, 80_000, 120_000, 160_000, COUNT), KEY),
        "rounding to int16": lambda: round_to_integers(y.view(np.float32), np.float32(1.0), integers),
        "memcpy of 1.6 MB": y.copy,
    }
    return {name: median_ms(step, repeats) for name, step in steps.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="CPU cost of the producer's core on one core.")
    parser.add_argument("--samples", type=int, default=40, help="full-size samples to time (default 40)")
    samples = parser.parse_args().samples
    print(json.dumps({"sample": sample_costs(samples), "recording_ms": kernel_costs(samples)}, indent=2))
