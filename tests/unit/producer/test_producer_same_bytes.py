"""A sample has the same bytes everywhere: against the committed digests, and on a CPU with few features."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from producer.version import GENERATOR_VERSION
from tests.producer_specs import DIGESTS, GOLDEN_SPECS, all_digests, sample_digest

ROOT = Path(__file__).parents[3]


def test_samples_have_the_committed_digests():
    """20 (spec, index). To renew: raise GENERATOR_VERSION, then `python -m tests.producer_specs --write`."""
    golden = json.loads(DIGESTS.read_text())
    assert golden["generator_version"] == GENERATOR_VERSION
    assert all_digests() == golden["digests"]


def test_a_plain_cpu_gives_the_same_bytes():
    """Kernels compiled for any x86-64; NumPy, the C library and OpenBLAS kept from AVX, AVX2, AVX-512 and FMA."""
    dispatched = np._core._multiarray_umath.__cpu_features__
    names = [name for name in np._core._multiarray_umath.__cpu_dispatch__ if dispatched[name]]
    hidden = ("AVX512F", "AVX2", "AVX", "FMA", "FMA4", "AVX2_Usable", "FMA_Usable", "AVX_Usable")
    plain = {
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "NPY_DISABLE_CPU_FEATURES": " ".join(names),
        "OPENBLAS_CORETYPE": "Nehalem",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=" + ",".join(f"-{name}" for name in hidden),
    }
    program = (
        "import json; from tests.producer_specs import *;"
        "print(json.dumps([[sample_digest(s, i) for i in range(4)] for s in GOLDEN_SPECS.values()]))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, **plain},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[sample_digest(spec, i) for i in range(4)] for spec in GOLDEN_SPECS.values()]
