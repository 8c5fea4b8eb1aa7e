"""What synthesis and extraction cost beside the arithmetic that they cannot do without, on one core.

Run: `python -m benchmarks.kernels [--rounds 9] [--samples 4] [--baseline PATH] [--json]`. A sample is full-size: 7
receivers x 200,000 of the default dataset. Every round has samples of its own and times, one after the other in one
process on one core, four things:

- extraction: decoding the frames and extracting their features;
- its FFTs: the transforms of that extraction and nothing else, on zeros that stay in the cache;
- synthesis: the sample, without encoding it;
- its noise and echoes: the calls of that synthesis that add echoes and noise to what a receiver hears, again.

`--baseline` names a checkout of another commit (with its own `.venv`, or run by this interpreter). The same is timed
there, in a process of its own, in turns with this one. All times are CPU time; a figure is the median over the rounds,
a ratio the median of the rounds' ratios. `inclusive_ms` is the time inside each function in place, called
functions included.
"""

import argparse
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schemas import DatasetSpec, IQFrame

ROOT = Path(__file__).resolve().parents[1]
RATIOS = {
    "extraction over its FFTs": ("extraction", "its FFTs"),
    "synthesis over its noise and echoes": ("synthesis", "its noise and echoes"),
}
STEPS = ("extraction", "its FFTs", "synthesis", "its noise and echoes", "encoding")
FUNCTIONS = {
    "schemas.iq_frame": ("IQFrame.samples",),
    "extractor.extract": (
        "largest_component", "measure_envelope", "measure_spectrum", "measure_noise_floor", "measure_band",
        "to_baseband", "measure_frequency", "measure_shape", "measure_delay", "aggregate",
    ),
    "scipy.fft": ("fft", "ifft", "irfft"),
    "producer.synthesize": (
        "ground_of", "draw_scene", "draw_paths", "emit", "measure", "gain_grid", "tap_gains", "receive", "add_noise",
        "quantise", "truth_of", "normal_stream", "scalar_stream",
    ),
    "producer.angle": ("AngleModulated.add_echoes",),
    "producer.linear": ("LinearlyModulated.add_echoes",),
}  # fmt: skip


class Kernels:
    """The code on this process's path; every method works on one round's samples."""

    def __init__(self, samples: int) -> None:
        import numpy as np

        from iqstream.runtime.heap import keep_freed_memory
        from producer.version import GENERATOR_VERSION
        from schemas import DatasetSpec, Impairments, Scenario

        keep_freed_memory()  # as every worker does
        self.per_round, self.np = samples, np
        self.spec = DatasetSpec(
            dataset_id="00000000-0000-4000-8000-000000000000",
            name="benchmark",
            samples=1_000_000,
            generator_version=GENERATOR_VERSION,
        )
        impairments = Impairments(phase_noise_linewidth_hz=10.0, iq_gain_error_db=0.5, dc_offset_db=-10.0)
        self.others = {
            **{f"synthesis: {one}": {"scenario": Scenario(modulation=one)} for one in ("carrier", "am", "ssb", "4fsk")},
            "synthesis: impaired": {"impairments": impairments},
        }

    def prepare(self, number: int) -> dict[str, Callable[[], object]]:
        """The steps of a round, with everything recorded and compiled that they need."""
        import msgspec

        from schemas import encode

        indices = range(number * self.per_round, (number + 1) * self.per_round)
        calls: list[Any] = []
        with (
            self._recorded("producer.angle", "AngleModulated.add_echoes", calls),
            self._recorded("producer.synthesize", "add_noise", calls),
        ):
            frames = [encode(frame) for frame in self.synthesize(self.spec, indices)]
        if len(calls) < 2 * len(frames):
            raise SystemExit("the echoes and the noise of synthesis are not where this benchmark looks for them")
        transformed: list[Any] = []
        with self._recorded("scipy.fft", "fft", transformed), self._recorded("scipy.fft", "ifft", transformed):
            self.extract(frames)
        transforms = [self._on_zeros(*call) for call in transformed]
        others = {
            name: partial(self.synthesize, msgspec.structs.replace(self.spec, **change), indices)
            for name, change in self.others.items()
        }
        for step in others.values():
            step()
        return {
            "extraction": partial(self.extract, frames),
            "its FFTs": partial(_call_all, transforms),
            "synthesis": partial(self.synthesize, self.spec, indices),
            "its noise and echoes": partial(_call_all, [partial(f, *a, **k) for f, a, k in calls]),
            "encoding": partial(self.encode, self.synthesize(self.spec, indices)),
            **others,
        }

    def synthesize(self, spec: "DatasetSpec", indices: range) -> "list[IQFrame]":
        from producer.synthesize import synthesize_sample

        return [frame for index in indices for frame in synthesize_sample(spec, index).frames]

    def encode(self, frames: "list[IQFrame]") -> None:
        from schemas import encode

        for frame in frames:
            encode(frame)

    def extract(self, frames: list[bytes]) -> None:
        from extractor.extract import extract_features
        from schemas import IQFrame, decode

        for data in frames:
            frame = decode(data, IQFrame)
            extract_features(frame.samples(), frame.sample_rate_hz, frame.chunk_ms / 1000)

    def limits(self) -> dict[str, float]:
        """What this machine does in a millisecond, whatever the code: best of many."""
        import scipy.fft

        from producer.philox import fill_normals

        np = self.np
        source, target = np.ones(5_600_000, np.int16), np.empty(5_600_000, np.int16)
        pieces, normals = np.zeros((38, 2048), np.complex64), np.empty(2_800_000, np.float32)
        stream = np.array([1, 2], np.uint32)
        copied = _best_ms(lambda: np.copyto(target, source), 20)
        transformed = _best_ms(lambda: scipy.fft.fft(pieces, axis=1, workers=1, overwrite_x=True), 200)
        drawn = _best_ms(lambda: fill_normals(normals, stream), 20)
        return {
            "memcpy, GB/s": round(source.nbytes / copied / 1e6, 1),
            "FFT of 38 x 2048 complex64, GFlop/s": round(38 * 2048 * 5 * 11 / transformed / 1e6, 1),
            "normals, million/s": round(normals.size / drawn / 1e3),
        }

    def inclusive_ms(self, frames: list[bytes], indices: range) -> dict[str, float]:
        """Milliseconds a sample inside each of FUNCTIONS, in place; those that this code does not have are left out."""
        spent: dict[str, int] = defaultdict(int)

        def timed(function: Callable[..., Any], name: str) -> Callable[..., Any]:
            def call(*args: object, **kwargs: object) -> object:
                began = time.perf_counter_ns()
                try:
                    return function(*args, **kwargs)
                finally:
                    spent[name] += time.perf_counter_ns() - began

            return call

        for module, names in FUNCTIONS.items():
            for name in names:
                owner, attribute = _owner(module, name)
                if hasattr(owner, attribute):
                    setattr(owner, attribute, timed(getattr(owner, attribute), f"{module}.{name}"))
        self.extract(frames)
        self.synthesize(self.spec, indices)
        return {name: round(total / 1e6 / len(indices), 3) for name, total in spent.items()}

    def _on_zeros(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> partial[Any]:
        """A recorded transform, of zeros in its shape: they stay zeros in place, and stay in the cache."""
        return partial(function, self.np.zeros_like(args[0]), *args[1:], **kwargs)

    @contextmanager
    def _recorded(self, module: str, name: str, calls: list[Any]) -> Iterator[None]:
        """Add the calls of a function to a list while it goes on to do its work."""
        owner, attribute = _owner(module, name)
        function = getattr(owner, attribute)

        def call(*args: object, **kwargs: object) -> object:
            calls.append((function, args, kwargs))
            return function(*args, **kwargs)

        setattr(owner, attribute, call)
        try:
            yield
        finally:
            setattr(owner, attribute, function)


def _owner(module: str, name: str) -> tuple[Any, str]:
    """The module or class that has a dotted name, and the name in it."""
    *path, attribute = name.split(".")
    owner: Any = importlib.import_module(module)
    for part in path:
        owner = getattr(owner, part)
    return owner, attribute


def _call_all(calls: list[partial[Any]]) -> None:
    for call in calls:
        call()


def _best_ms(step: Callable[[], object], repeats: int) -> float:
    spent = []
    for _ in range(repeats):
        began = time.perf_counter()
        step()
        spent.append(time.perf_counter() - began)
    return min(spent) * 1000


def serve(samples: int) -> None:
    """Answer the requests on standard input: the figures of round n, or the limits and the parts."""
    kernels = Kernels(samples)
    for request in sys.stdin:
        kind, number = request.split()
        steps = kernels.prepare(int(number))
        answer: dict[str, Any]
        if kind == "parts":
            frames, indices = steps["extraction"].args[0], steps["synthesis"].args[1]  # type: ignore[attr-defined]
            answer = {"limits": kernels.limits(), "inclusive_ms": kernels.inclusive_ms(frames, indices)}
        else:
            answer = {}
            system_before = resource.getrusage(resource.RUSAGE_SELF).ru_stime
            for name, step in steps.items():
                began = time.process_time()
                step()
                answer[name] = (time.process_time() - began) / samples * 1000
            system = resource.getrusage(resource.RUSAGE_SELF).ru_stime - system_before
            answer["system time in all of these"] = system / samples * 1000
        print(json.dumps(answer), flush=True)


class Checkout:
    """The code of a folder, in a process of its own on the first core that this one may use."""

    def __init__(self, root: Path, samples: int) -> None:
        own = root / ".venv/bin/python"
        core = min(os.sched_getaffinity(0))
        self._process = subprocess.Popen(
            [own if own.exists() else sys.executable, __file__, "--serve", "--samples", str(samples)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        )
        os.sched_setaffinity(self._process.pid, {core})

    def ask(self, kind: str, number: int) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{kind} {number}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit("a process that measures ended before it answered; its error stands above")
        return dict(json.loads(answer))

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def measure(rounds: int, samples: int, baseline: Path | None) -> dict[str, Any]:
    """Everything in one run; see the module's text."""
    roots = {"here": ROOT} | ({"baseline": baseline.resolve()} if baseline else {})
    checkouts = {name: Checkout(root, samples) for name, root in roots.items()}
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
        name: {text: _median_ratio(seen[name], seen[name], *pair) for text, pair in RATIOS.items()} for name in roots
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
        "limits": parts["here"]["limits"],
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="at least 5 (default 9)")
    parser.add_argument("--samples", type=int, default=4, help="of a round (default 4)")
    parser.add_argument("--baseline", type=Path, help="a checkout of another commit, to measure in turns with this one")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.samples)
        return
    if given.rounds < 5:
        parser.error("--rounds: at least 5, for a median that one disturbed round does not move")
    if given.baseline and not (given.baseline / "extractor").is_dir():
        parser.error(f"--baseline: {given.baseline} is no checkout of this project")
    report = measure(given.rounds, given.samples, given.baseline)
    if given.json:
        print(json.dumps(report, indent=2))
        return
    for heading, figures in report.items():
        print(heading)
        for name, value in figures.items():
            if isinstance(value, dict):
                print(f"  {name}")
                for one, figure in value.items():
                    print(f"    {one:40} {figure}")
            else:
                print(f"  {name:42} {value}")


if __name__ == "__main__":
    main()
