"""A sample has the same bytes everywhere: against the committed digests, and on a CPU with few features."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from producer.synthesize import synthesize_sample
from producer.version import GENERATOR_VERSION
from schemas.dataset import Modulation
from tests.golden_digests import DIGESTS, GOLDEN_INDICES, GOLDEN_SPECS, all_digests

ROOT = Path(__file__).parents[3]
NUMPY_FEATURES = " ".join(
    name for name in np._core._multiarray_umath.__cpu_dispatch__ if np._core._multiarray_umath.__cpu_features__[name]
)
HIDDEN_FROM_LIBC = ("AVX512F", "AVX2", "AVX", "FMA", "FMA4", "AVX2_Usable", "FMA_Usable", "AVX_Usable")
PLAIN_NUMPY = {"NPY_DISABLE_CPU_FEATURES": NUMPY_FEATURES}
OLD_BLAS = {"OPENBLAS_CORETYPE": "Nehalem"}
PLAIN_LIBC = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=" + ",".join(f"-{name}" for name in HIDDEN_FROM_LIBC)}
PLAIN_KERNELS = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}


@pytest.fixture(scope="module")
def digests():
    return all_digests()


def test_samples_have_the_committed_digests(digests):
    """20 (spec, index). To renew: raise GENERATOR_VERSION, then `python -m tests.golden_digests --write`."""
    golden = json.loads(DIGESTS.read_text())
    assert golden["generator_version"] == GENERATOR_VERSION
    assert digests == golden["digests"]


def test_the_golden_samples_hold_everything_that_there_is():
    frames = [
        frame
        for spec in GOLDEN_SPECS.values()
        for index in GOLDEN_INDICES
        for frame in synthesize_sample(spec, index).frames
    ]
    assert len(GOLDEN_SPECS) * len(GOLDEN_INDICES) == 20
    assert {frame.datatype for frame in frames} == {"ci8", "ci16_le", "cf32_le"}
    sent = {frame.truth.transmitter.modulation for frame in frames}
    assert sent == set(get_args(Modulation))
    assert {frame.truth.transmitter.sideband for frame in frames} == {None, "upper", "lower"}
    impaired = [frame.truth.receiver for frame in frames if frame.truth.receiver]
    assert any(
        r.phase_noise_linewidth_hz and r.image_rejection_db and r.dc_offset_dbm and r.clipped_share for r in impaired
    )


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param(PLAIN_NUMPY | OLD_BLAS | PLAIN_LIBC, id="libraries without AVX, AVX2, AVX-512, FMA"),
        pytest.param(PLAIN_KERNELS, id="kernels for any x86-64"),
    ],
)
def test_another_cpu_gives_the_same_bytes(environment, digests):
    """In a process of its own, since each of the libraries chooses its code when it is loaded."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.golden_digests"],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["digests"] == digests
