"""Features agree to 1e-9 of their scale on any CPU: kernels compiled for every x86-64, NumPy without its dispatch."""

import numpy as np

from benchmarks.fidelity.signals import CHUNK, KINDS, RATE_HZ, noise, rayleigh_fading, shifted
from extractor.extract import chunk_features
from schemas import FEATURE_TABLE
from tests.plain_cpu import PLAIN_KERNELS, PLAIN_LIBRARIES, run_python

PROGRAM = (
    "import sys, numpy as np; from extractor.extract import chunk_features;"
    "np.save(sys.argv[2], chunk_features(np.load(sys.argv[1]), 200e3))"
)
SCALE = {"dBm": 100.0, "dB": 100.0, "dBm/Hz": 100.0, "Hz": RATE_HZ, "kHz": 4000.0}


def test_a_plain_cpu_gives_the_same_features(tmp_path):
    random = np.random.default_rng(1)
    chunks = [noise(random), np.ones(CHUNK)]
    for kind in KINDS.values():
        for snr_db in (-10.0, 5.0, 30.0):
            fading = rayleigh_fading(random, 5.0) if snr_db > 0 else 1.0
            signal = shifted(kind.make(random, CHUNK) * fading, random.uniform(-40e3, 40e3))
            chunks.append(signal * 10 ** (snr_db / 20) + noise(random))
    iq = np.concatenate(chunks).astype(np.complex64)
    np.save(tmp_path / "iq.npy", iq)
    run_python(
        "-c", PROGRAM, tmp_path / "iq.npy", tmp_path / "features.npy", environment=PLAIN_LIBRARIES | PLAIN_KERNELS
    )
    difference = np.abs(np.load(tmp_path / "features.npy") - chunk_features(iq, RATE_HZ))
    for feature, differences in zip(FEATURE_TABLE.values(), difference.T, strict=True):
        assert differences.max() <= 1e-9 * SCALE.get(feature.unit, 1.0), feature.name
