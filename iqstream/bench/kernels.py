"""What synthesis and extraction cost beside the arithmetic that they cannot do without: the kernels, without servers.

The code of another checkout is timed in turns with this one, each in processes of its own. All times are CPU time;
a figure is the median over the rounds, a ratio the median of the rounds' ratios.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from iqstream.bench import kernel_steps
from iqstream.runtime.errors import Failed, UserError

ROOT = Path(__file__).resolve().parents[2]
STEPS = ("extraction", "its FFTs", "synthesis", "its noise and echoes", "encoding")
_RATIOS = {
    "extraction over its FFTs": ("extraction", "its FFTs"),
    "synthesis over its noise and echoes": ("synthesis", "its noise and echoes"),
}
SAMPLES_PER_ROUND = 4


class Checkout:
    """The kernels of a folder, in a process of their own on one core."""

    def __init__(self, root: Path, core: int) -> None:
        """Starts the process.

        Raises:
            UserError: the folder is no checkout of this project.
        """
        if not (root / "extractor").is_dir():
            raise UserError(f"{root} is no checkout of this project: it has no folder extractor")
        own = root / ".venv/bin/python"
        self.root = root
        self._process = subprocess.Popen(
            [own if own.exists() else sys.executable, "-P", kernel_steps.__file__, str(SAMPLES_PER_ROUND)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        )
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self._process.pid, {core})

    def ask(self, kind: str, number: float) -> dict[str, Any]:
        """Returns the answer to a request of `kernel_steps.serve`. Raises Failed: the process has ended."""
        assert self._process.stdin is not None  # noqa: S101  # they are pipes
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(f"{kind} {number}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise Failed(f"the process that measures {self.root} ended before it answered; its error stands above")
        return dict(json.loads(answer))

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.close()
        self._process.wait()


def cores() -> list[int]:
    """Those that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


class KernelsOnAllCores:
    """One process of kernels per core, all at once: the rate that a pipeline is compared with."""

    def __init__(self, root: Path) -> None:
        """Starts the processes and compiles what they need."""
        self._checkouts = [Checkout(root, core) for core in cores()]

    async def __aenter__(self) -> Self:
        await self.run(0.1)
        return self

    async def __aexit__(self, *_error: object) -> None:
        for checkout in self._checkouts:
            checkout.close()

    async def run(self, seconds: float) -> tuple[float, float]:
        """Returns samples per second of all cores together, and CPU milliseconds a sample."""
        asked = (asyncio.to_thread(checkout.ask, "run", seconds) for checkout in self._checkouts)
        answers: Sequence[Mapping[str, float]] = await asyncio.gather(*asked)
        rate = sum(one["samples"] / one["seconds"] for one in answers)
        return rate, 1000 * sum(one["cpu_s"] for one in answers) / sum(one["samples"] for one in answers)


def measure_kernels(rounds: int, baseline: Path | None) -> dict[str, Any]:
    """Times the kernels here, and those of another checkout in turns with them, on one core.

    Raises:
        UserError: `baseline` is no checkout of this project.
        Failed: a process ended.
    """
    roots = {"here": ROOT} | ({"baseline": baseline.resolve()} if baseline else {})
    checkouts = {name: Checkout(root, cores()[0]) for name, root in roots.items()}
    try:
        for checkout in checkouts.values():
            checkout.ask("round", 0)  # compiles, plans the transforms, fills the heap
        seen: dict[str, list[dict[str, float]]] = {name: [] for name in roots}
        for number in range(1, rounds + 1):
            for name, checkout in checkouts.items():
                seen[name].append(checkout.ask("round", number))
        parts = {name: checkout.ask("parts", rounds + 1) for name, checkout in checkouts.items()}
    finally:
        for checkout in checkouts.values():
            checkout.close()
    ratios = {
        name: {text: _median_ratio(seen[name], seen[name], *pair) for text, pair in _RATIOS.items()} for name in roots
    }
    if baseline:
        ratios["baseline over here"] = {
            kind: _median_ratio(seen["baseline"], seen["here"], kind, kind) for kind in STEPS
        }
    medians = {
        name: {kind: round(statistics.median(one[kind] for one in seen[name]), 3) for kind in seen[name][0]}
        for name in roots
    }
    return {
        "ratios": ratios,
        "samples_per_s_of_a_core": {
            name: {
                "synthesis and encoding": round(1000 / (ms["synthesis"] + ms["encoding"]), 1),
                "decoding and extraction": round(1000 / ms["extraction"], 1),
            }
            for name, ms in medians.items()
        },
        "ms": medians,
        "inclusive_ms": {name: parts[name]["inclusive_ms"] for name in roots},
    }


def _median_ratio(above: list[dict[str, float]], below: list[dict[str, float]], over: str, under: str) -> float:
    return round(statistics.median(a[over] / b[under] for a, b in zip(above, below, strict=True)), 3)
