"""What a network learns of where transmitters stand, beside the analytic locators: its part of docs/locating.md.

Run: `python -m benchmarks.learned DIRECTORY [--processes 2] [--steps 1500]`. DIRECTORY holds embedded servers with the
datasets, which are made there, or go on being made, by the pipeline itself; everything is read by FeatureStream.
Starts, analytic locators and trained models are kept there too: a second run does what is missing. `--made` takes the
datasets as they are. The network is that of examples/set_network.py. PyTorch: that of the environment, else Debian's
python3-torch, which is several times faster beside libopenblas0 than beside the reference BLAS.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
sys.path.append(str(Path(__file__).parents[1] / "examples"))
if importlib.util.find_spec("torch") is None:
    sys.path.append("/usr/lib/python3/dist-packages")

import numpy as np
import torch
from set_network import (
    GEOMETRY,
    LEVELS,
    PAIR_INPUTS,
    RECEIVER_INPUTS,
    Network,
    Samples,
    SetNetwork,
    learn,
    region_holds,
    stacked,
)

import iqstream
from benchmarks.learned_tables import section
from benchmarks.locate import ROOT, level_grid, spec_of
from iqstream.dataset import FeatureStream
from iqstream.dataset.splits import Split, SplitBy
from iqstream.embedded import stack
from iqstream.locate import Estimate
from iqstream.locate.differences import RobustLeastSquares
from iqstream.locate.estimate import moved, offset_km
from iqstream.locate.loss_map import loss_map
from iqstream.locate.together import LevelsAndDifferences
from iqstream.runtime.settings import Settings, load_settings, only_embedded

TRAIN, TEST = "locating-train", "locating-test"
IMPAIRED = {
    "impairments.phase_noise_linewidth_hz": 20.0,
    "impairments.iq_gain_error_db": 0.7,
    "impairments.iq_phase_error_deg": 3.0,
    "impairments.dc_offset_db": 2.0,
    "impairments.clip_level_db": 3.0,
}
DATASETS: dict[str, tuple[int, int, dict[str, object]]] = {
    TRAIN: (3012, 14_500, {}),
    TEST: (3011, 4_900, {}),
    "locating-impaired": (3013, 3_600, IMPAIRED),
    "locating-clocks": (3014, 3_600, {"clocks.kind": "free", "clocks.offset_us": 1.0}),
    "locating-antennas": (3015, 3_600, {"antennas.transmitter": "mixed", "antennas.receiver": "mixed"}),
}
"""Seed, samples, and what differs from the default spec. The test's are those of `benchmarks.locate`."""
WORLDS = ("default", "impaired", "clocks", "antennas")
START_CELLS, GRID_CELLS = 2000, 6000
"""Of the maps for starts and for the analytic locators; with 30,000 `benchmarks.locate` finds the same errors."""
BATCH = 128
CHECK_EVERY = 50
QUALITY = ("coherence", "peak_to_sidelobe_db", "bandwidth_hz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One accepted sample of a stream."""

    sample_idx: int
    split: str
    x: dict[str, np.ndarray]
    y: np.ndarray
    rx_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What a network is shown, what it is trained on, and on which tests it is judged."""

    name: str
    train: str
    tests: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    """Of `levels`, `others`, `pairs`, `quality`, `deviation`, `start`."""
    at_most: int | None = None


LEVELS_ALONE, PAIRS_ALONE = ("pairs", "start"), ("levels", "others")


def models() -> list[Model]:
    """All that the document tells of."""
    made = [
        Model(name=f"{shown}, {number}", train="train", tests=("test",), hidden=hidden, at_most=number)
        for number in (1000, 10_000)
        for shown, hidden in (("levels", LEVELS_ALONE), ("pairs", PAIRS_ALONE), ("both", ()))
    ]
    for shown, hidden in (("levels", LEVELS_ALONE), ("both", ())):
        made += [
            Model(name=f"{shown}, {by}", train=f"{by} train", tests=(f"{by} test",), hidden=hidden)
            for by in ("random", "spatial")
        ]
        made.append(Model(name=f"{shown}, hold-out", train="holdout train", tests=("test",), hidden=hidden))
    made += [
        Model(name=f"without {name}", train="train", tests=("test",), hidden=hidden, at_most=10_000)
        for name, hidden in (
            ("features other than levels", ("others",)),
            ("quality of the pairs", ("quality",)),
            ("deviations of the pairs", ("deviation",)),
            ("the analytic start", ("start",)),
        )
    ]
    tests = tuple(f"{world} test" for world in WORLDS)
    made += [
        Model(name=f"{shown}, {world}", train=f"{world} train", tests=tests, hidden=hidden)
        for world in WORLDS
        for shown, hidden in (("levels", LEVELS_ALONE), ("both", ()))
    ]
    return made


# --- the datasets -----------------------------------------------------------------------------------------------------


@contextmanager
def servers(directory: Path) -> Iterator[Settings]:
    """Those of the directory, stopped at the end if they did not run before."""
    state = directory / "state"
    was_up = stack.up(state).was_up
    try:
        environ = dict(only_embedded(state))
        subprocess.run([sys.executable, "-m", "iqstream", "init"], env=environ, check=True, stdout=subprocess.DEVNULL)
        yield load_settings(environ)
    finally:
        if not was_up:
            stack.down(state)


def make_datasets(settings: Settings, directory: Path, processes: int) -> None:
    """By the pipeline, with workers of its own, until every one is complete."""
    environ = dict(only_embedded(directory / "state"))
    with iqstream.connect(settings) as client:
        known = {dataset.name for dataset in client.datasets()}
        for name, (seed, samples, changes) in DATASETS.items():
            if name not in known:
                client.submit(
                    iqstream.make_spec(
                        changes=changes,
                        name=name,
                        samples=samples,
                        seed=seed,
                        iq_samples=0,
                        publish="features",
                        pairs=True,
                    )
                )
        stages = [
            subprocess.Popen([sys.executable, "-m", "iqstream", *arguments], env=environ, stderr=subprocess.DEVNULL)
            for arguments in (("producer", "--workers", str(processes)), ("sink", "--workers", "1"))
        ]
        try:
            for name in DATASETS:
                for event in client.watch(name):
                    last = event.dataset
                print(f"{name}: {last.accepted} accepted", flush=True)
        finally:
            for stage in stages:
                stage.terminate()
            for stage in stages:
                stage.wait()


def read(settings: Settings, name: str, split: Split | None = None, split_by: SplitBy = "random") -> list[Read]:
    """The accepted samples that are there, by index."""
    stream = FeatureStream(name, pairs=True, settings=settings, split=split, split_by=split_by)
    rows = [
        Read(sample_idx=meta["sample_idx"], split=meta["split"], x=x, y=y, rx_ids=tuple(i for i in meta["rx_ids"] if i))
        for x, y, meta in stream
    ]
    return sorted(rows, key=lambda row: row.sample_idx)


def gathered(settings: Settings) -> dict[str, list[Read]]:
    """By what they are for: the samples that models learn from, are stopped by, and are judged on."""
    train, test = (read(settings, name) for name in (TRAIN, TEST))
    fifth = len(test) // 5
    sets = {"train": train, "validation": test[: 2 * fifth], "test": test[2 * fifth :]}
    for by, rows in (("random", train), ("spatial", read(settings, TRAIN, split_by="spatial"))):
        for split in ("train", "test"):
            sets[f"{by} {split}"] = [row for row in rows if row.split == split]
    sets["holdout train"] = read(settings, TRAIN, split="train", split_by="receiver-holdout")
    for world in WORLDS[1:]:
        rows = read(settings, f"locating-{world}")
        sets[f"{world} train"] = [row for row in rows if row.split == "train"]
        sets[f"{world} test"] = [row for row in rows if row.split != "train"]
    fewest = min(len(sets[f"{world} train"]) for world in WORLDS[1:])
    sets["default train"], sets["default test"] = train[:fewest], sets["test"]
    return sets | {f"{world} train": sets[f"{world} train"][:fewest] for world in WORLDS[1:]}


# --- starts and analytic locators -------------------------------------------------------------------------------------


def starts_of(rows: list[Read]) -> list[Estimate]:
    """Where the differences put the transmitters."""
    spec = spec_of(0)
    network = Network(spec)
    locator = RobustLeastSquares(loss_map(spec, cells=START_CELLS), network.places)
    return [locator.locate(network.observation(row.x, row.rx_ids)) for row in rows]


def analytic_of(rows: list[Read]) -> list[dict[str, float]]:
    """Errors of the analytic locators, km."""
    network = Network(spec_of(0))
    grid = level_grid(0, loss_map(spec_of(0), cells=GRID_CELLS))
    several = {
        "levels": grid,
        "pairs": RobustLeastSquares(grid.loss, network.places),
        "both": LevelsAndDifferences(grid, network.places),
    }
    return [
        {name: error_km(one.locate(network.observation(row.x, row.rx_ids)), row.y) for name, one in several.items()}
        for row in rows
    ]


def error_km(estimate: Estimate, y: np.ndarray) -> float:
    return float(np.hypot(*offset_km(estimate.latitude, estimate.longitude, y[0], y[1])))


def in_parts(
    pool: ProcessPoolExecutor, kept: Path, work: Callable[[list[Read]], list[Any]], rows: list[Read]
) -> list[Any]:
    """What the work says of every row; of those it was said of before, what is kept."""
    file = kept / f"{work.__name__}.pickle"
    known: dict[str, Any] = pickle.loads(file.read_bytes()) if file.exists() else {}
    keys = [hashlib.sha256(pickle.dumps((row.sample_idx, row.y.tolist(), row.rx_ids))).hexdigest() for row in rows]
    missing = {key: row for key, row in zip(keys, rows, strict=True) if key not in known}
    names, todo = list(missing), list(missing.values())
    parts = [slice(first, first + 100) for first in range(0, len(todo), 100)]
    futures = [pool.submit(work, todo[part]) for part in parts]
    for part, future in zip(parts, futures, strict=True):
        known |= dict(zip(names[part], future.result(), strict=True))
    if todo:
        file.write_bytes(pickle.dumps(known))
    return [known[key] for key in keys]


# --- models -----------------------------------------------------------------------------------------------------------


def shown(samples: Samples, hidden: Sequence[str]) -> Samples:
    """What a model may see of samples: the rest is zero, or not found."""
    receivers, pairs, scale = samples.receivers.clone(), samples.pairs.clone(), samples.scale.clone()
    first = len(GEOMETRY)
    if "levels" in hidden:
        receivers[..., first : first + len(LEVELS)] = 0
    if "others" in hidden:
        receivers[..., first + len(LEVELS) : len(RECEIVER_INPUTS)] = 0
    if "quality" in hidden:
        pairs[..., [PAIR_INPUTS.index(name) for name in QUALITY]] = 0
    if "deviation" in hidden:
        pairs[..., PAIR_INPUTS.index("deviation")] = 0
        scale = torch.where(torch.isfinite(scale), torch.ones_like(scale), scale)
    if "pairs" in hidden:
        pairs[..., : PAIR_INPUTS.index("east")] = 0
        scale = torch.full_like(scale, float("inf"))
    return samples._replace(receivers=receivers, pairs=pairs, scale=scale)


@dataclass(slots=True)
class Store:
    """What the processes that train share: rows and starts by set."""

    rows: dict[str, list[Read]] = field(default_factory=dict)
    starts: dict[str, list[Estimate]] = field(default_factory=dict)
    steps: int = 0

    def samples(self, name: str, model: Model, at_most: int | None = None) -> tuple[Samples, list[Estimate]]:
        network = Network(spec_of(0))
        rows, starts = self.rows[name][:at_most], self.starts[name][:at_most]
        if "start" in model.hidden:
            starts = [network.centre_start()] * len(rows)
        made = [network.samples(row.x, row.y, row.rx_ids, start) for row, start in zip(rows, starts, strict=True)]
        return shown(stacked(made), model.hidden), starts


STORE = Store()


def trained(model: Model) -> tuple[SetNetwork, int]:
    """The network of the step that the validation likes best, and how many samples it learnt from."""
    torch.manual_seed(int.from_bytes(hashlib.sha256(model.name.encode()).digest()[:4], "big"))
    samples, _ = STORE.samples(model.train, model, model.at_most)
    checked, _ = STORE.samples("validation", model)
    network, number, steps = SetNetwork(), len(samples.truth), STORE.steps
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    best, kept = np.inf, network.state_dict()
    for step in range(1, steps + 1):
        learn(network, optimiser, samples.rows(torch.randint(number, (BATCH,))))
        schedule.step()
        if step % CHECK_EVERY == 0:
            with torch.no_grad():
                loss = float(-network(checked).log_prob(checked.truth).mean())
            if loss < best:
                best, kept = loss, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(kept)
    return network, number


def judged(model: Model) -> dict[str, Any]:
    """Errors, and whether the 90 % region held the truth, of every sample of the model's tests."""
    torch.set_num_threads(1)
    began = time.monotonic()
    network, number = trained(model)
    told: dict[str, Any] = {"trained_on": number, "tests": {}}
    for test in model.tests:
        samples, starts = STORE.samples(test, model)
        with torch.no_grad():
            found = network(samples)
            held, steps = region_holds(found, samples.truth).tolist(), np.array(found.mean.tolist())
        places = [moved(s.latitude, s.longitude, step) for s, step in zip(starts, steps, strict=True)]
        errors = [
            float(np.hypot(*offset_km(*place, row.y[0], row.y[1])))
            for place, row in zip(places, STORE.rows[test], strict=True)
        ]
        told["tests"][test] = {"errors_km": errors, "held": held}
    return told | {"seconds": time.monotonic() - began}


def sets_of(model: Model) -> tuple[str, ...]:
    return (model.train, "validation", *model.tests)


def of(model: Model) -> list[Any]:
    """What a model's figures follow from: where it differs, they are worked out again."""
    return [STORE.steps, *model.hidden, model.at_most, *[len(STORE.rows[name]) for name in sets_of(model)]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="servers, datasets and what was worked out of them")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=1500, help="of training a model, 128 samples each")
    parser.add_argument("--made", action="store_true", help="take the datasets as they are")
    parser.add_argument("--only", nargs="+", default=[""], help="models whose names begin so")
    given = parser.parse_args()
    began = time.monotonic()
    torch.set_num_threads(1)
    with servers(given.directory) as settings:
        if not given.made:
            make_datasets(settings, given.directory, given.processes)
        STORE.rows = gathered(settings)
    STORE.steps = given.steps
    print({name: len(rows) for name, rows in STORE.rows.items()}, f"{time.monotonic() - began:.0f} s", flush=True)
    fork = get_context("fork")
    tests = sorted({test for model in models() for test in model.tests})
    with ProcessPoolExecutor(given.processes, mp_context=fork) as pool:
        for name, rows in STORE.rows.items():
            STORE.starts[name] = in_parts(pool, given.directory, starts_of, rows)
        print(f"starts: {time.monotonic() - began:.0f} s", flush=True)
        analytic = {name: in_parts(pool, given.directory, analytic_of, STORE.rows[name]) for name in tests}
    print(f"analytic locators: {time.monotonic() - began:.0f} s", flush=True)
    file = given.directory / "models.json"
    results: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    with ProcessPoolExecutor(given.processes, mp_context=fork) as pool:
        asked = [model for model in models() if model.name.startswith(tuple(given.only))]
        able = [model for model in asked if all(STORE.rows[name] for name in sets_of(model))]
        wanted = [model for model in able if results.get(model.name, {}).get("of") != of(model)]
        for model, future in [(model, pool.submit(judged, model)) for model in wanted]:
            results[model.name] = future.result() | {"of": of(model)}
            file.write_text(json.dumps(results))
            print(f"{model.name}: {results[model.name]['seconds']:.0f} s", flush=True)
    sizes = {name: len(rows) for name, rows in STORE.rows.items()}
    document = ROOT / "docs" / "locating.md"
    document.write_text(section(document.read_text(), results, analytic, sizes, DATASETS))
    print(f"{document}: written in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
