"""The part of docs/locating.md that `benchmarks.learned` writes: tables out of errors by sample."""

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.locate import BOOTSTRAPS, LEARNED

END = "<!-- end of benchmarks.learned -->"
SHOWN = {
    "levels": "levels, grid posterior",
    "pairs": "differences, robust least squares",
    "both": "levels and differences",
}
Analytic = dict[str, list[dict[str, float]]]
"""Of every test and sample the errors of the analytic locators, km."""
Made = dict[str, tuple[int, int, dict[str, Any]]]
"""The datasets by name: seed, samples, what differs from the default spec."""
HEAD = "| median (95 % interval) | 68 % | 95 % (95 % interval) | RMSE (95 % interval) | 90 % region holds |"
LINE = "| --- | --- | --- | --- | --- |"


def section(page: str, results: dict[str, Any], analytic: Analytic, sizes: dict[str, int], made: Made) -> str:
    """The page with this part written anew."""
    before = page.partition(LEARNED)[0].rstrip("\n")
    worked_out = "\n\n".join(part for part in parts(results, analytic, sizes, made) if part)
    return f"{before}\n\n{LEARNED}\n{worked_out}\n{END}\n"


def parts(results: dict[str, Any], analytic: Analytic, sizes: dict[str, int], made: Made) -> list[str]:
    known = {name: {kind: np.array([row[kind] for row in rows]) for kind in SHOWN} for name, rows in analytic.items()}
    steps = sorted({row["of"][0] for row in results.values()})
    minutes = sum(row["seconds"] for row in results.values()) / 60
    seeds = [seed for seed, *_ in made.values()]
    return [
        "## What a network learns",
        paragraph(
            f"""Written by `python -m benchmarks.learned DIRECTORY`. A permutation-invariant network over receivers
            and pairs (`examples/set_network.py`), read from the datasets by `FeatureStream`. It answers with a
            mixture of Gaussians around a start: where robust least squares of the differences puts the
            transmitter, or the network's centre where it is shown levels alone. What it is trained on has seed
            {seeds[0]}, the test is the one above (seed {seeds[1]}, {sizes["test"]} samples), the step of training
            is chosen by {sizes["validation"]} other samples of that seed. How many steps a training has was not: a
            shorter one was judged on these test samples before
            ([ADR 102](adr/0102-a-network-begins-at-the-analytic-place.md)). Intervals are bootstraps of the test
            samples; they do not hold the spread between trainings. Training: {", ".join(map(str, steps))} steps of
            128 samples for each of {len(results)}
            networks, {minutes:.0f} minutes in all, summed over the processes. Machine: {machine()}."""
        ),
        curve(results, known),
        splits(results, known),
        features(results),
        worlds(results, known, made),
    ]


def paragraph(text: str) -> str:
    """One line of text that is written over several."""
    return " ".join(text.split())


def machine() -> str:
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return f"{os.cpu_count()} cores, {cpu}, PyTorch {torch.__version__}, Python {platform.python_version()}"


def curve(results: dict[str, Any], known: dict[str, Any]) -> str:
    rows = []
    for kind, analytic_name in SHOWN.items():
        rows.append(line(f"{analytic_name} | none", known["test"][kind]))
        names = [name for number in (1000, 10_000) if (name := f"{kind}, {number}") in results]
        rows += [
            network_line(f"network, {kind} | {results[name]['trained_on']:,}", results[name], "test") for name in names
        ]
    text = ["### Learning curve", "", f"| locator | trained on {HEAD}", f"| --- | --- {LINE}", *rows]
    if (found := results.get("levels, 10000")) is not None:
        low, middle, high = ratio(np.array(found["tests"]["test"]["errors_km"]), known["test"]["levels"])
        text += [
            "",
            paragraph(
                f"""RMSE of the network on levels over that of the grid posterior's mean: {middle:.3f} ({low:.3f} to
                {high:.3f}). The grid is given the terrain, the path model and the spread of the levels; the network
                has seen positions and levels alone. What terrain does to the mean level it can learn, for the
                ground is the same in every sample. A radio map in full it cannot learn: shadowing is drawn anew for
                every sample, so nothing of it carries over from one to the next. With real shadowing, which stands
                still, a map can be learnt, and these figures say nothing of how well."""
            ),
        ]
    for number in (1000, 10_000):
        for kind in ("pairs", "both"):
            if (found := results.get(f"{kind}, {number}")) is not None:
                text += [
                    "",
                    difference(
                        f"{kind}, {number:,}",
                        np.array(found["tests"]["test"]["errors_km"]),
                        known["test"][kind],
                        SHOWN[kind],
                    ),
                ]
    return "\n".join(text)


def splits(results: dict[str, Any], known: dict[str, Any]) -> str:
    rows = []
    for kind in ("levels", "both"):
        for by in ("random", "spatial"):
            test = f"{by} test"
            if (found := results.get(f"{kind}, {by}")) is None:
                continue
            rows.append(line(f"{by} | {SHOWN[kind]} | none", known[test][kind]))
            rows.append(network_line(f"{by} | network, {kind} | {found['trained_on']:,}", found, test))
        if (found := results.get(f"{kind}, hold-out")) is not None:
            rows.append(line(f"receiver hold-out | {SHOWN[kind]} | none", known["test"][kind]))
            rows.append(network_line(f"receiver hold-out | network, {kind} | {found['trained_on']:,}", found, "test"))
    if not rows:
        return ""
    return "\n".join(
        [
            "### Splits",
            "",
            paragraph(
                """`random` and `spatial` are the stream's own splits of the samples to train on: trained on `train`,
                tested on `test`, spatially in blocks of 5 km that the training never saw. Receiver hold-out:
                trained on what the five receivers of `split='train', split_by='receiver-holdout'` recorded, tested
                on the test of all seven, two of which the network has never heard. (The stream's own hold-out test
                is one receiver, by which nothing is located.)"""
            ),
            "",
            f"| split | locator | trained on {HEAD}",
            f"| --- | --- | --- {LINE}",
            *rows,
        ]
    )


def features(results: dict[str, Any]) -> str:
    rows = []
    left_out = {
        "both, 10000": "nothing",
        "pairs, 10000": "levels and other features",
        "levels, 10000": "all but levels, and the start",
    }
    for name, words in left_out.items():
        if name in results:
            rows.append(network_line(words, results[name], "test"))
    rows += [
        network_line(name.removeprefix("without "), found, "test")
        for name, found in results.items()
        if name.startswith("without ")
    ]
    if not rows:
        return ""
    return "\n".join(["### What is left out", "", f"| left out {HEAD}", f"| --- {LINE}", *rows])


def worlds(results: dict[str, Any], known: dict[str, Any], made: Made) -> str:
    names = {
        "default": "default",
        "impaired": "impairments",
        "clocks": "free clocks",
        "antennas": "mixed antennas",
    }
    rows = []
    for kind in ("levels", "both"):
        for test, words in names.items():
            if not known[f"{test} test"][kind].size:
                continue
            rows.append(line(f"{words} | {SHOWN[kind]} | none", known[f"{test} test"][kind]))
            told = {
                f"{kind}, {train}": trained
                for train, trained in names.items()
                if "default" in {train, test} or train == test
            }
            rows += [
                network_line(
                    f"{words} | network, {kind} | {trained}, {results[name]['trained_on']:,}",
                    results[name],
                    f"{test} test",
                )
                for name, trained in told.items()
                if name in results
            ]
    if not any(f"{kind}, {name}" in results for kind in SHOWN for name in names):
        return ""
    differences = "; ".join(
        ", ".join(f"`{path}={value}`" for path, value in changes.items()) for *_, changes in made.values() if changes
    )
    text = [
        "### Trained in one world, tested in another",
        "",
        paragraph(
            f"""What differs from the default spec: {differences}. Each has a seed of its own. Every network here learnt
            from equally many samples."""
        ),
        "",
        f"| tested with | locator | trained with {HEAD}",
        f"| --- | --- | --- {LINE}",
        *rows,
    ]
    return "\n".join(text)


# --- figures ----------------------------------------------------------------------------------------------------------


def network_line(words: str, found: dict[str, Any], test: str) -> str:
    told = found["tests"][test]
    return line(words, np.array(told["errors_km"]), f"{100 * np.mean(told['held']):.1f} %")


def line(words: str, errors: np.ndarray, held: str = "") -> str:
    drawn = errors[draws(errors.size)]
    median, two_thirds, most = np.percentile(errors, [50, 68, 95])
    spreads = [
        np.percentile(values, [2.5, 97.5])
        for values in (np.median(drawn, 1), np.percentile(drawn, 95, axis=1), rmse(drawn))
    ]
    cells = [with_interval(median, spreads[0]), f"{two_thirds:.2f}", with_interval(most, spreads[1]),
             with_interval(rmse(errors), spreads[2]), held]  # fmt: skip
    return f"| {words} | {' | '.join(cells)} |"


def with_interval(value: float | np.ndarray, interval: np.ndarray) -> str:
    return f"{value:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"


def rmse(errors: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(np.mean(errors**2, axis=-1)))


def draws(number: int) -> np.ndarray:
    return np.random.default_rng(3).integers(number, size=(BOOTSTRAPS, number))


def ratio(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of two RMSEs on the same samples: 2.5 %, the value, 97.5 %."""
    drawn = draws(one.size)
    low, high = np.percentile(rmse(one[drawn]) / rmse(other[drawn]), [2.5, 97.5])
    return np.array([low, rmse(one) / rmse(other), high])


def difference(words: str, one: np.ndarray, other: np.ndarray, name: str) -> str:
    drawn = draws(one.size)
    told = []
    for quantile, called in ((50, "median"), (95, "95 % error")):
        both = np.percentile(one[drawn], quantile, axis=1) - np.percentile(other[drawn], quantile, axis=1)
        low, high = np.percentile(both, [2.5, 97.5])
        told.append(f"{called} {low:+.3f} to {high:+.3f} km")
    return f"Network on {words}, less {name} on the same samples, 95 % interval: {', '.join(told)}."
