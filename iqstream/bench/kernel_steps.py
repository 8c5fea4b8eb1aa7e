"""The steps of synthesis and extraction, timed in a process of their own, on the code that its path leads to.

Run by `kernels.py` as a file, in this checkout or another one: it imports nothing of this room. A sample is full-size:
7 receivers x 200,000 of the default dataset. Every round has samples of its own and times four things, on one core:

- extraction: decoding the frames and extracting their features;
- its FFTs: the transforms of that extraction and nothing else, on zeros that stay in the cache;
- synthesis: the sample, without encoding it;
- its noise and echoes: the calls of that synthesis that add echoes and noise to what a receiver hears, again.

`inclusive_ms` is the time inside each function in place, called functions included.
"""

import importlib
import json
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schemas import DatasetSpec, IQFrame

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
        self.per_round, self.np, self.run_samples = samples, np, 0
        self.spec = DatasetSpec(
            dataset_id="00000000-0000-4000-8000-000000000000",
            name="benchmark",
            samples=1_000_000,
            generator_version=GENERATOR_VERSION,
        )
        impairments = Impairments(phase_noise_linewidth_hz=10.0, iq_gain_error_db=0.5, dc_offset_db=-10.0)
        self.others: dict[str, dict[str, Any]] = {
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

    def run_for(self, seconds: float) -> dict[str, float]:
        """Makes and extracts samples, one after the other, for so long: what a pipeline of kernels alone would do."""
        from schemas import encode

        made, began, cpu_s = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - began < seconds:
            index = self.run_samples
            self.run_samples += 1
            self.extract([encode(frame) for frame in self.synthesize(self.spec, range(index, index + 1))])
            made += 1
        return {"samples": made, "seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu_s}

    def round_ms(self, number: int) -> dict[str, float]:
        """CPU milliseconds a sample of each step."""
        steps = self.prepare(number)
        answer = {}
        system_before = resource.getrusage(resource.RUSAGE_SELF).ru_stime
        for name, step in steps.items():
            began = time.process_time()
            step()
            answer[name] = (time.process_time() - began) / self.per_round * 1000
        system = resource.getrusage(resource.RUSAGE_SELF).ru_stime - system_before
        answer["system time in all of these"] = system / self.per_round * 1000
        return answer

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


def serve(samples: int) -> None:
    """Answers the requests on standard input, a line of JSON each: `round N`, `parts N` or `run SECONDS`."""
    kernels = Kernels(samples)
    for request in sys.stdin:
        kind, number = request.split()
        answer: dict[str, Any]
        if kind == "run":
            answer = kernels.run_for(float(number))
        elif kind == "parts":
            steps = kernels.prepare(int(number))
            frames, indices = steps["extraction"].args[0], steps["synthesis"].args[1]  # type: ignore[attr-defined]
            answer = {"inclusive_ms": kernels.inclusive_ms(frames, indices)}
        else:
            answer = kernels.round_ms(int(number))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
