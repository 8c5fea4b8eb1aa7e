"""Time differences of pairs: error against truth, bound and echo floor; false alarms; cost against the extractor.

Run: `python -m benchmarks.pairs [--samples 200] [--seed 7]`. Prints one JSON object. Cost is the CPU time of
`measure_pairs` over that of `extract_features` on the same frames, one after the other for every sample.
"""

import argparse
import json
import math
import os
import time
from typing import Any

import numpy as np

from schemas import IQFrame, Receiver


def quantiles(errors: np.ndarray) -> dict[str, Any]:
    if not errors.size:
        return {"n": 0}
    median, two_thirds, most = np.percentile(np.abs(errors), [50, 68, 95])
    return {"n": int(errors.size), "median": round(median, 3), "p68": round(two_thirds, 3), "p95": round(most, 3)}


def default_spec(samples: int, seed: int) -> dict[str, Any]:
    """Errors in us by the lesser SNR in 200 kHz, with what theory says the echoes' mean delays leave."""
    from benchmarks.locate import spec_of
    from extractor.extract import extract_features
    from extractor.pairs import measure_pairs
    from producer.synthesize import synthesize_sample

    rows, ratios = [], []
    for index in range(samples + 2):
        frames = synthesize_sample(spec_of(seed), index).frames
        began = time.process_time()
        pairs = measure_pairs(frames)
        middle = time.process_time()
        for frame in frames:
            extract_features(frame.samples(), frame.sample_rate_hz, frame.chunk_ms / 1000)
        if index < 2:  # compiles the kernels
            continue
        ratios.append((middle - began) / (time.process_time() - middle))
        links = {frame.receiver.rx_id: frame.truth.link for frame in frames if frame.truth}
        for pair in pairs:
            a, b = links[pair.receiver_a], links[pair.receiver_b]
            echo = np.dot(a.tap_delays_us, a.tap_powers) - np.dot(b.tap_delays_us, b.tap_powers)
            error = pair.time_difference_us - a.arrival_delay_us + b.arrival_delay_us
            snr_db = min(np.mean(a.snr_db), np.mean(b.snr_db))
            rows.append((snr_db, pair.found, error, echo, pair.standard_deviation_us))
    snr_db, found, error, echo, deviation = np.array(rows, float).T
    used = found > 0
    parts = {"-12..0 dB": (snr_db >= -12) & (snr_db < 0), ">= 0 dB": snr_db >= 0, ">= 20 dB": snr_db >= 20}
    return {
        "samples": samples,
        "error_us": {name: quantiles(error[keep & used]) for name, keep in parts.items()},
        "found_share": {name: round(float(used[keep].mean()), 4) for name, keep in parts.items()},
        "echo_floor_us": quantiles(echo[parts[">= 0 dB"]]),
        "error_over_predicted_p68": {
            name: round(float(np.percentile(np.abs(error / np.hypot(deviation, np.std(echo)))[keep & used], 68)), 2)
            for name, keep in parts.items()
        },
        "cost_over_extractor": {"median": round(float(np.median(ratios)), 3), "worst": round(max(ratios), 3)},
    }


def bound(draws: int) -> list[dict[str, float]]:
    """A flat Gaussian band over one tap: RMS error over the bound of the measured spectrum; and voice."""
    from benchmarks.fidelity.signals import RATE_HZ, flat_band, noise, shifted, voice_fm
    from extractor.pairs import measure_pairs

    out = []
    kinds = {
        "flat 10 kHz": flat_band(10_000.0),
        "flat 50 kHz": flat_band(50_000.0),
        "voice FM 5 kHz": voice_fm(5_000.0),
    }
    for name, make in kinds.items():
        for snr_db in (-10.0, 0.0, 10.0, 20.0):
            errors, bounds = [], []
            for draw in range(draws):
                random = np.random.default_rng([draw, round(snr_db) + 100])
                power = 10 ** (snr_db / 10)
                signal = math.sqrt(power) * make(random, 200_000)
                lines, frequency = np.fft.fft(signal), np.fft.fftfreq(signal.size, 1 / RATE_HZ)
                # In bins of 100 Hz: of one bin alone the spectrum is the realisation, not a density.
                density = np.abs(lines.reshape(2000, 100)) ** 2
                snr = density.mean(axis=1) / signal.size
                centre = np.average(frequency.reshape(2000, 100).mean(axis=1), weights=snr)
                squares = (2 * np.pi * (frequency.reshape(2000, 100).mean(axis=1) - centre)) ** 2
                bounds.append(1 / (2 * np.sum(squares * snr**2 / (1 + 2 * snr)) * 100))
                delay_us = random.uniform(-100, 100)
                late = np.fft.ifft(lines * np.exp(-2j * np.pi * frequency * delay_us * 1e-6))
                late = late[1000:-1000]  # the delay wraps
                other = shifted(signal[1000:-1000], random.uniform(-300, 300))
                frames = [_frame(x + noise(random, 1.0, x.size), n) for n, x in enumerate((late, other))]
                (pair,) = measure_pairs(frames)
                if pair.found:
                    errors.append(pair.time_difference_us - delay_us)
            if errors:
                rms, least = math.sqrt(np.mean(np.square(errors))), 1e6 * math.sqrt(np.mean(bounds))
                out.append(
                    {
                        "signal": name,
                        "snr_db": snr_db,
                        "found": len(errors) / draws,
                        "rms_us": round(rms, 4),
                        "bound_us": round(least, 4),
                        "ratio": round(rms / least, 2),
                    }
                )
    return out


def false_alarms(draws: int) -> dict[str, Any]:
    """Pairs found among seven receivers that hear unrelated bands of noise (21 pairs a draw), and noise alone."""
    from benchmarks.fidelity.signals import flat_band, noise
    from extractor.pairs import measure_pairs

    out = {}
    for name, level in (("unrelated bands of 8 kHz", 1.0), ("noise alone", 0.0)):
        found = 0
        for draw in range(draws):
            random = np.random.default_rng([draw, 77])
            make = flat_band(8_000.0)
            several = [level * make(random, 200_000) + noise(random, 1.0, 200_000) for _ in range(7)]
            found += sum(pair.found for pair in measure_pairs([_frame(x, n) for n, x in enumerate(several)]))
        out[name] = {"pairs": 21 * draws, "found": found}
    return out


def _frame(samples: np.ndarray, number: int) -> IQFrame:
    return IQFrame(
        dataset_id="00000000-0000-4000-8000-000000000000",
        dataset_version=1,
        sample_idx=0,
        receivers_expected=2,
        receiver=Receiver(rx_id=f"rx{number}", latitude=45 + 0.3 * number, longitude=7.5, altitude_m=200.0),
        captured_at_ns=0,
        center_frequency_hz=144e6,
        sample_rate_hz=200_000.0,
        chunk_ms=200,
        datatype="cf32_le",
        scale=1.0,
        truth=None,
        iq=memoryview(np.ascontiguousarray(samples, np.complex64).view(np.uint8)),
    )


def main() -> None:
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    result = {
        "default_spec": default_spec(given.samples, given.seed),
        "bound": bound(given.draws),
        "false_alarms": false_alarms(given.draws),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
