"""A process on a CPU with few features: each library chooses its code when it is loaded, so it has to be a new one."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
_HIDDEN_FROM_LIBC = ("AVX512F", "AVX2", "AVX", "FMA", "FMA4", "AVX2_Usable", "FMA_Usable", "AVX_Usable")
_CPU = np._core._multiarray_umath
PLAIN_LIBRARIES = {
    "NPY_DISABLE_CPU_FEATURES": " ".join(name for name in _CPU.__cpu_dispatch__ if _CPU.__cpu_features__[name]),
    "OPENBLAS_CORETYPE": "Nehalem",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=" + ",".join(f"-{name}" for name in _HIDDEN_FROM_LIBC),
}
"""NumPy, OpenBLAS and libm without AVX, AVX2, AVX-512, FMA."""
PLAIN_KERNELS = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
"""Kernels compiled for any x86-64."""


def run_python(*arguments: object, environment: dict[str, str]) -> str:
    """What `python *arguments` prints with these variables; fails with what it says."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *map(str, arguments)],
        env=os.environ | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
