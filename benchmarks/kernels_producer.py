"""CPU time of synthesising and encoding full-size samples, and of each kernel, on one core.

Run: `OMP_NUM_THREADS=1 python -m benchmarks.kernels_producer [--samples 40]`. Prints one JSON object. The heap is
set as a worker sets it.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from functools import partial
from typing import get_args

import msgspec
import numpy as np

from iqstream.runtime.heap import keep_freed_memory
from producer.emission import emissions, emit
from producer.impairments import impair
from producer.occupied import measure
from producer.philox import fill_normals
from producer.quantise import round_to_integers
from producer.receiver import add_noise
from producer.synthesize import synthesize_sample
from producer.version import GENERATOR_VERSION
from producer.waveform import BlockGains
from schemas import DatasetSpec, Impairments, Scenario, encode
from schemas.dataset import MODULATIONS, Modulation

COUNT, RATE_HZ = 200_000, 200_000.0
KEY = np.array([1, 2], np.uint32)
IMPAIRED = Impairments(
    phase_noise_linewidth_hz=10.0, iq_gain_error_db=0.5, iq_phase_error_deg=2.0, dc_offset_db=-10.0, clip_level_db=12.0
)


def median_ms(step: Callable[[], object], repeats: int) -> float:
    """Returns the median CPU time of one call; the first, which compiles, is left out."""
    step()
    spent = []
    for _ in range(repeats):
        began = time.process_time()
        step()
        spent.append(time.process_time() - began)
    return round(float(np.median(spent)) * 1000, 3)


def sample_costs(samples: int) -> dict[str, float]:
    """Returns the cost of whole samples of the default spec, and of the other modulations."""
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
    others = {}
    for modulation in MODULATIONS[1:]:
        other = msgspec.structs.replace(spec, scenario=Scenario(modulation=modulation))
        others[f"synthesize_{modulation}_ms"] = median_ms(lambda o=other: synthesize_sample(o, next(indices)), samples)
    impaired = msgspec.structs.replace(spec, impairments=IMPAIRED)
    others["synthesize_impaired_ms"] = median_ms(lambda: synthesize_sample(impaired, next(indices)), samples)
    return {
        "synthesize_ms": synthesize_ms,
        "synthesize_and_encode_ms": both_ms,
        "samples_per_s_per_core": round(1000 / both_ms, 1),
        "system_ms_of_it": round((after.ru_stime - before.ru_stime) / (samples + 1) * 1000, 3),
        **others,
    }


def kernel_costs(repeats: int) -> dict[str, float]:
    """Returns the cost of the steps of one recording (waveforms: of one sample), in ms."""
    y, integers = np.zeros(COUNT, np.complex64), np.empty(2 * COUNT, np.int16)
    sent = {modulation: emissions(modulation, Scenario())[-1] for modulation in get_args(Modulation)}
    blocks = -(-COUNT // 256)
    gains = BlockGains(
        begins=np.ones((blocks, 6), np.float32),
        rises=np.zeros((blocks, 6), np.float32),
        ramp=np.zeros(256, np.float32),
        cosine=np.ones(256, np.float32),
        sine=np.zeros(256, np.float32),
    )
    steps: dict[str, Callable[[], object]] = {}
    for name, emission in sent.items():
        emitted = partial(emit, emission, COUNT, sample_rate_hz=RATE_HZ, seed=1, sample_idx=2)
        steps[f"waveform: {name}"] = emitted
        if name in {"nbfm", "ssb"}:
            steps[f"one bundle of echoes: {name}"] = partial(
                emitted().add_echoes, y, gains, start=0, step=1, first=True
            )
    wave = emit(sent["nbfm"], COUNT, sample_rate_hz=RATE_HZ, seed=1, sample_idx=2)
    steps |= {
        "occupied bandwidth": partial(measure, wave, RATE_HZ, 8000.0),
        "400,000 normals": partial(fill_normals, y.view(np.float32), KEY),
        "noise and measurement": partial(add_noise, y, (40_000, 80_000, 120_000, 160_000, COUNT), KEY),
        "rounding to int16": partial(round_to_integers, y.view(np.float32), np.float32(1.0), integers),
        "all impairments": partial(impair, y, IMPAIRED, sample_rate_hz=RATE_HZ, offset_turns=0.1, phase_noise=KEY),
        "memcpy of 1.6 MB": y.copy,
    }
    return {name: median_ms(step, repeats) for name, step in steps.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="CPU cost of the producer's core on one core.")
    parser.add_argument("--samples", type=int, default=40, help="full-size samples to time (default 40)")
    samples = parser.parse_args().samples
    keep_freed_memory()
    print(json.dumps({"sample": sample_costs(samples), "recording_ms": kernel_costs(samples)}, indent=2))
