"""What this machine does, whatever our code: the limits that stand beside every figure of the same run."""

import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import scipy.fft

from iqstream.bench.kernels import ROOT, cores
from producer.philox import fill_normals

_FRAME_BYTES = 800_000
_SAMPLE_BYTES = 7 * _FRAME_BYTES


def where_and_when() -> dict[str, str]:
    """Returns date, commit and processor."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": _commit(),
        "cpu": f"{len(cores())} x {_processor()}",
    }


def limits(folder: Path) -> dict[str, float]:
    """Returns the best of many for each, on one core; fsync is a median, in `folder`."""
    source, target = np.ones(_SAMPLE_BYTES, np.uint8), np.empty(_SAMPLE_BYTES, np.uint8)
    pieces, normals = np.zeros((38, 2048), np.complex64), np.empty(2_800_000, np.float32)
    stream = np.array([1, 2], np.uint32)
    copied = _best_s(lambda: np.copyto(target, source), 20)
    transformed = _best_s(lambda: scipy.fft.fft(pieces, axis=1, workers=1, overwrite_x=True), 200)
    drawn = _best_s(lambda: fill_normals(normals, stream), 20)
    return {
        "memcpy, GB/s": round(source.nbytes / copied / 1e9, 1),
        "FFT of 38 x 2048 complex64, GFlop/s": round(38 * 2048 * 5 * 11 / transformed / 1e9, 1),
        "normals, million/s": round(normals.size / drawn / 1e6),
        "fsync of a 0.8 MB write, ms": round(1000 * _fsync_s(folder), 2),
    }


def busy_s() -> float:
    """Returns the CPU seconds that all processes of this machine have spent since it started; 0 where nothing says."""
    try:
        fields = [int(value) for value in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]]
    except OSError:
        return 0.0
    user, nice, system, _idle, _iowait, irq, softirq, *_ = fields
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _best_s(step: Callable[[], object], repeats: int) -> float:
    spent = []
    for _ in range(repeats):
        began = time.perf_counter()
        step()
        spent.append(time.perf_counter() - began)
    return min(spent)


def _fsync_s(folder: Path) -> float:
    spent = []
    data = bytes(_FRAME_BYTES)
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(15):
            file.write(data)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            spent.append(time.perf_counter() - began)
    return statistics.median(spent)


def _commit() -> str:
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty"],  # noqa: S607  # wherever it is installed
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "no commit"
    return told.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named: Mapping[str, str] = {name.strip(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
    return named.get("model name", platform.machine())
