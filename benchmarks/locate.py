"""How far analytic locators are off, on fresh samples of the default spec: writes docs/locating.md and .json.

Run: `python -m benchmarks.locate [--samples 4900] [--processes 2] [--keep FILE]`. Samples are synthesised, measured
(features and pairs) and judged in batches over the processes; of the accepted ones the first fifth is what `constant`
and `k nearest` know, the second fifth is for validation (the size of the regions), the rest is the test. Whoever knows
no samples has its regions' size from both fifths: from one alone it is uncertain by 1.1 % of the samples.
"""

import argparse
import dataclasses
import json
import math
import os
import pickle
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from extractor.pairs import measure_pairs
from extractor.record import feature_record
from iqstream.locate import Estimate, Locator, Observation, Pairs
from iqstream.locate.differences import ECHO_US, MaximumLikelihood, RobustLeastSquares
from iqstream.locate.estimate import LIGHT_KM_PER_US, offset_km
from iqstream.locate.levels import NOT_HEARD_DB, Constant, LevelGrid, NearestNeighbours, WeightedCentroid
from iqstream.locate.loss_map import LossMap, loss_map
from iqstream.locate.together import LevelsAndDifferences
from producer.noise import noise_dbm
from producer.scenario import _dbm
from producer.synthesize import synthesize_sample
from producer.version import GENERATOR_VERSION
from schemas import DatasetSpec, Lineage, frame_crc32
from sink.quality import Accepted, assess

ROOT = Path(__file__).parents[1]
BATCH = 20
REGION = 0.9
KNOWS_SAMPLES = ("constant", "k nearest")
GAUSSIAN_REGION = -2 * math.log(1 - REGION)
BOOTSTRAPS = 2000
LEARNED = "<!-- python -m benchmarks.learned: written by the command -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An accepted sample: what was observed, and the truth that judges it."""

    sample_idx: int
    observation: Observation
    latitude: float
    longitude: float
    inside: bool
    mean_snr_db: float
    modulation: str
    bandwidth_hz: float
    arrival_us: np.ndarray
    mean_echo_us: np.ndarray
    band_snr: np.ndarray
    """Signal over noise within the occupied band, realised, linear."""


def spec_of(seed: int) -> DatasetSpec:
    return DatasetSpec(
        dataset_id="00000000-0000-4000-8000-000000000000",
        name="locating",
        samples=1_000_000,
        generator_version=GENERATOR_VERSION,
        seed=seed,
    )


def cases_of(seed: int, indices: Sequence[int]) -> list[Case]:
    return [case for index in indices if (case := case_of(spec_of(seed), index)) is not None]


def case_of(spec: DatasetSpec, index: int) -> Case | None:
    """None where the sample is rejected."""
    frames = synthesize_sample(spec, index).frames
    records = [
        feature_record(frame, Lineage(topic="iq.frames", partition=0, offset=0, crc32=frame_crc32(frame)))
        for frame in frames
    ]
    verdict = assess(records, spec.limits)
    if not isinstance(verdict, Accepted):
        return None
    snr_db = np.array([record.value("snr_db") for record in records])
    floor_dbm = np.array([record.value("noise_floor_dbm") for record in records])
    ids = {frame.receiver.rx_id: number for number, frame in enumerate(frames)}
    found = [pair for pair in measure_pairs(frames) if pair.found]
    links = [frame.truth.link for frame in frames if frame.truth]
    transmitter = frames[0].truth.transmitter  # type: ignore[union-attr]
    bandwidth_hz = max(transmitter.occupied_bandwidth_hz or 0.0, 100.0)
    realised = np.array([np.mean(10 ** (np.array(link.snr_db) / 10)) for link in links])
    return Case(
        sample_idx=index,
        observation=Observation(
            level_dbm=floor_dbm + snr_db,
            snr_db=snr_db,
            detected=np.array([frame.receiver.rx_id in verdict.figures.detected for frame in frames]),
            pairs=Pairs(
                one=np.array([ids[pair.receiver_a] for pair in found], np.int64),
                other=np.array([ids[pair.receiver_b] for pair in found], np.int64),
                difference_us=np.array([pair.time_difference_us for pair in found]),
                deviation_us=np.array([pair.standard_deviation_us for pair in found]),
            ),
        ),
        latitude=transmitter.latitude,
        longitude=transmitter.longitude,
        inside=transmitter.inside_network,
        mean_snr_db=float(verdict.figures.mean_snr_db or 0.0),
        modulation=f"{transmitter.modulation} {transmitter.peak_deviation_hz / 1000:g} kHz",
        bandwidth_hz=bandwidth_hz,
        arrival_us=np.array([link.arrival_delay_us for link in links]),
        mean_echo_us=np.array([np.dot(link.tap_delays_us, link.tap_powers) for link in links]),
        band_snr=realised * spec.capture.sample_rate_hz / bandwidth_hz,
    )


def receivers_of(spec: DatasetSpec) -> np.ndarray:
    return np.array([[r.latitude, r.longitude] for r in spec.receivers])


@lru_cache(maxsize=1)
def shared_map(seed: int) -> LossMap:
    return loss_map(spec_of(seed))


def level_grid(seed: int, loss: LossMap | None = None) -> LevelGrid:
    spec = spec_of(seed)
    noise = noise_dbm(
        spec.frequency_hz,
        spec.capture.sample_rate_hz,
        spec.propagation.noise_figure_db,
        spec.propagation.environment,
    )
    return LevelGrid(
        loss=loss or shared_map(seed),
        eirp_dbm=(_dbm(spec.scenario.eirp_min_w), _dbm(spec.scenario.eirp_max_w)),
        threshold_dbm=noise + spec.limits.detection_snr_db,
    )


def locators(seed: int, known: list[Case]) -> dict[str, Locator]:
    receivers, loss, grid = receivers_of(spec_of(seed)), shared_map(seed), level_grid(seed)
    places = np.array([[case.latitude, case.longitude] for case in known])
    heard = np.array([np.where(c.observation.detected, c.observation.snr_db, NOT_HEARD_DB) for c in known])
    return {
        "constant": Constant(places),
        "weighted centroid": WeightedCentroid(receivers),
        "k nearest": NearestNeighbours(heard, places),
        "levels, grid posterior": grid,
        "differences, robust least squares": RobustLeastSquares(loss, receivers),
        "differences, maximum likelihood": MaximumLikelihood(loss, receivers),
        "levels and differences": LevelsAndDifferences(grid, receivers),
    }


def echo_floor(seed: int, case: Case) -> Estimate:
    """Where exact mean delays of the echoes would put it: no noise, and fading averaged out."""
    pairs = case.observation.pairs
    delay = case.arrival_us + case.mean_echo_us
    exact = dataclasses.replace(
        pairs,
        difference_us=delay[pairs.one] - delay[pairs.other],
        deviation_us=np.full(pairs.one.size, 0.01),
    )
    observation = dataclasses.replace(case.observation, pairs=exact)
    return MaximumLikelihood(shared_map(seed), receivers_of(spec_of(seed))).locate(observation)


def bound_km(seed: int, case: Case) -> float:
    """Cramer-Rao bound of the RMS error by noise alone: each arrival's variance 3 / (2 pi^2 T B^3 g), unknown time."""
    spec = spec_of(seed)
    used = case.observation.detected
    variance = 3 / (2 * np.pi**2 * spec.capture.capture_ms / 1000 * case.bandwidth_hz**3 * case.band_snr[used])
    apart = offset_km(case.latitude, case.longitude, *receivers_of(spec)[used].T)
    directions = apart / np.maximum(np.hypot(*apart.T), 1e-9)[:, None] / (LIGHT_KM_PER_US * 1e6)
    columns = np.column_stack([directions, np.ones(used.sum())])
    information = (columns / variance[:, None]).T @ columns
    return float(np.sqrt(np.trace(np.linalg.pinv(information)[:2, :2])))


def evaluate(seed: int, known: list[Case], cases: list[Case]) -> list[dict[str, tuple[float, float]]]:
    """Of every case and locator: error in km, squared Mahalanobis distance of the truth."""
    several = locators(seed, known)
    rows = []
    for case in cases:
        found = {name: locator.locate(case.observation) for name, locator in several.items()}
        found["echo floor"] = echo_floor(seed, case)
        rows.append(
            {
                name: (error_km(estimate, case), estimate.distance2(case.latitude, case.longitude))
                for name, estimate in found.items()
            }
        )
    return rows


def error_km(estimate: Estimate, case: Case) -> float:
    offset = offset_km(estimate.latitude, estimate.longitude, np.array(case.latitude), np.array(case.longitude))
    return float(np.hypot(*offset))


def in_batches(
    pool: ProcessPoolExecutor, work: Callable[..., list[Any]], things: Sequence[Any], *first: object
) -> list[Any]:
    batches = [things[i : i + BATCH] for i in range(0, len(things), BATCH)]
    futures = [pool.submit(work, *first, batch) for batch in batches]
    return [row for future in futures for row in future.result()]


def generate(
    pool: ProcessPoolExecutor, processes: int, seed: int, samples: int, minutes: float
) -> tuple[int, list[Case]]:
    """Samples made until there are enough or time is up, and the accepted ones among them, in order."""
    ends, cases, first = time.monotonic() + 60 * minutes, list[Case](), 0
    while first < samples and time.monotonic() < ends:
        last = min(samples, first + BATCH * processes)
        cases += in_batches(pool, cases_of, range(first, last), seed)
        first = last
    return first, cases


def quantiles(errors: np.ndarray) -> dict[str, float]:
    median, two_thirds, most = np.percentile(errors, [50, 68, 95])
    return {"n": int(errors.size), "median": float(median), "p68": float(two_thirds), "p95": float(most)}


def groups_of(cases: list[Case]) -> dict[str, np.ndarray]:
    snr = np.array([case.mean_snr_db for case in cases])
    heard = np.array([case.observation.detected.sum() for case in cases])
    inside = np.array([case.inside for case in cases])
    modulation = np.array([case.modulation for case in cases])
    groups = {"all": np.ones(len(cases), bool)}
    groups |= {
        f"mean SNR {text}": keep
        for text, keep in (("3-10 dB", snr < 10), ("10-20 dB", (snr >= 10) & (snr < 20)), (">= 20 dB", snr >= 20))
    }
    groups |= {f"{number} receivers": heard == number for number in sorted(set(heard.tolist()))}
    groups |= {"inside": inside, "outside": ~inside}
    groups |= {name: modulation == name for name in sorted(set(modulation.tolist()))}
    return groups


def figures(
    seed: int, generated: int, split: tuple[list[Case], ...], results: tuple[list[Any], list[Any]]
) -> dict[str, Any]:
    known, validation, test = split
    checked, tested = results
    groups = groups_of(test)
    rows: dict[str, Any] = {}
    for name in tested[0]:
        errors = np.array([row[name][0] for row in tested])
        rows[name] = {
            "interval": interval(errors),
            "errors": {group: quantiles(errors[keep]) for group, keep in groups.items() if keep.any()},
        }
        if name != "echo floor":
            fair = checked[len(known) :] if name in KNOWS_SAMPLES else checked
            scale = float(np.quantile([row[name][1] for row in fair], REGION)) / GAUSSIAN_REGION
            inside = np.array([row[name][1] for row in tested]) <= GAUSSIAN_REGION * scale
            rows[name] |= {"region_scale": scale, "region_coverage": float(inside.mean())}
    bound = np.array([bound_km(seed, case) for case in test])
    rows["bound by noise (RMS)"] = {"errors": {g: quantiles(bound[keep]) for g, keep in groups.items() if keep.any()}}
    return {
        "seed": seed,
        "generator_version": GENERATOR_VERSION,
        "generated": generated,
        "accepted": len(known) + len(validation) + len(test),
        "known": len(known),
        "validation": len(validation),
        "test": len(test),
        "echo_us": ECHO_US,
        "locators": rows,
        "pairs_us": pair_errors(test),
        "both_less_differences": bootstrap(tested, "levels and differences", "differences, robust least squares"),
        "likelihood_less_squares": bootstrap(
            tested, "differences, maximum likelihood", "differences, robust least squares"
        ),
    }


def interval(errors: np.ndarray) -> dict[str, list[float]]:
    """95 % intervals of the median and of the 95 % error, over draws of the test with replacement."""
    drawn = np.abs(errors)[np.random.default_rng(2).integers(errors.size, size=(BOOTSTRAPS, errors.size))]
    found = np.percentile(np.percentile(drawn, [50, 95], axis=1), [2.5, 97.5], axis=1)
    return {"median": found[:, 0].tolist(), "p95": found[:, 1].tolist()}


def pair_errors(cases: list[Case]) -> dict[str, Any]:
    """Errors of the differences that were found, us, by the lesser SNR of the two receivers in the full bandwidth."""
    rate_hz = spec_of(0).capture.sample_rate_hz
    errors, lesser = [], []
    for case in cases:
        pairs, snr_db = case.observation.pairs, 10 * np.log10(case.band_snr * case.bandwidth_hz / rate_hz)
        errors.append(pairs.difference_us - case.arrival_us[pairs.one] + case.arrival_us[pairs.other])
        lesser.append(np.minimum(snr_db[pairs.one], snr_db[pairs.other]))
    error, least = np.abs(np.concatenate(errors)), np.concatenate(lesser)
    groups = {"-12 to 0 dB": (least >= -12) & (least < 0), "0 dB and more": least >= 0, "20 dB and more": least >= 20}
    return {name: quantiles(error[keep]) | {"interval": interval(error[keep])} for name, keep in groups.items()}


def bootstrap(tested: list[Any], one: str, other: str) -> dict[str, Any]:
    """One locator's errors less another's, drawn in pairs: 95 % interval of the median and of the 95 % error."""
    both = np.array([row[one][0] for row in tested])
    alone = np.array([row[other][0] for row in tested])
    random = np.random.default_rng(1)
    drawn = random.integers(both.size, size=(BOOTSTRAPS, both.size))
    out = {}
    for name, share in (("median", 50), ("p95", 95)):
        differences = np.percentile(both[drawn], share, axis=1) - np.percentile(alone[drawn], share, axis=1)
        out[name] = [float(value) for value in np.percentile(differences, [2.5, 50, 97.5])]
    return out


def document(result: dict[str, Any]) -> str:
    rows = result["locators"]
    both, squares = result["both_less_differences"], result["likelihood_less_squares"]
    text = [
        "# Locating: how far analytic locators are off",
        "",
        "Written by `python -m benchmarks.locate`; do not edit. The figures are in [locating.json](locating.json).",
        "",
        (
            f"Default spec, ideal clocks, seed {result['seed']}: {result['generated']} samples generated, "
            f"{result['accepted']} accepted; {result['known']} of them are what `constant` and `k nearest` know, "
            f"{result['validation']} set the size of the regions, **{result['test']} are the test**. Errors are "
            "distances along the ground in km."
        ),
        "",
        "| locator | median (95 % interval) | 68 % | 95 % (95 % interval) | 90 % region holds |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, row in rows.items():
        e = row["errors"]["all"]
        cover = f"{100 * row['region_coverage']:.1f} %" if "region_coverage" in row else ""
        text.append(f"| {name} | {_spread(row, 'median')} | {e['p68']:.2f} | {_spread(row, 'p95')} | {cover} |")
    text += [
        "",
        (
            "*Echo floor*: differences without noise that hold the mean delay of each path's echoes. "
            "*Bound by noise*: Cramer-Rao, RMS, from the variance 3 / (2 pi^2 T B^3 g) of an arrival, without echoes. "
            "A region is the estimate's ellipse, its area scaled so that it holds 90 % of the validation samples, "
            "for a locator that knows no samples of those as well that others know."
        ),
        "",
        (
            "Both together less least squares of the differences, paired bootstrap, 95 % interval: "
            f"median {both['median'][0]:+.3f} to {both['median'][2]:+.3f} km, "
            f"95 % error {both['p95'][0]:+.2f} to {both['p95'][2]:+.2f} km. Maximum likelihood less least squares: "
            f"median {squares['median'][0]:+.3f} to {squares['median'][2]:+.3f} km, "
            f"95 % error {squares['p95'][0]:+.2f} to {squares['p95'][2]:+.2f} km."
        ),
        "",
        "## Time differences of the test",
        "",
        "Error of the pairs that were found, in us, by the lesser SNR of both receivers in the full bandwidth.",
        "",
        "| SNR | pairs | median (95 % interval) | 68 % | 95 % |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {name} | {e['n']} | {e['median']:.3f} ({e['interval']['median'][0]:.3f} to "
            f"{e['interval']['median'][1]:.3f}) | {e['p68']:.3f} | {e['p95']:.2f} |"
            for name, e in result["pairs_us"].items()
        ),
        "",
        "## By part of the test: median / 95 %",
        "",
    ]
    names = [name for name in rows if name not in ("constant", "weighted centroid")]
    text += [f"| part | n | {' | '.join(names)} |", f"| --- | --- | {' | '.join('---' for _ in names)} |"]
    for group, head in rows["constant"]["errors"].items():
        cells = [f"{rows[n]['errors'][group]['median']:.2f} / {rows[n]['errors'][group]['p95']:.2f}" for n in names]
        text.append(f"| {group} | {head['n']} | {' | '.join(cells)} |")
    return "\n".join(text) + "\n"


def learned_part(page: str) -> str:
    """What `benchmarks.learned` has written on the page: it stays."""
    _, begins, part = page.partition(LEARNED)
    return f"\n{begins}{part}" if begins else ""


def _spread(row: dict[str, Any], name: str) -> str:
    """An error, with its interval where there is one."""
    value = f"{row['errors']['all'][name]:.2f}"
    return f"{value} ({row['interval'][name][0]:.2f} to {row['interval'][name][1]:.2f})" if "interval" in row else value


def main() -> None:
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=4900, help="to generate; about 70 %% are accepted")
    parser.add_argument("--minutes", type=float, default=math.inf, help="generate no longer than that")
    parser.add_argument("--seed", type=int, default=3011, help="one that nothing was tuned on")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="measured samples: read from here if it exists, else written")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    given = parser.parse_args()
    began = time.monotonic()
    shared_map(given.seed)
    print(f"map of the loss: {time.monotonic() - began:.0f} s", flush=True)
    with ProcessPoolExecutor(given.processes) as pool:
        if given.keep and given.keep.exists():
            generated, cases = pickle.loads(given.keep.read_bytes())
        else:
            generated, cases = generate(pool, given.processes, given.seed, given.samples, given.minutes)
            if given.keep:
                given.keep.write_bytes(pickle.dumps((generated, cases)))
        print(f"{len(cases)} accepted: {time.monotonic() - began:.0f} s", flush=True)
        fifth = len(cases) // 5
        split = cases[:fifth], cases[fifth : 2 * fifth], cases[2 * fifth :]
        both_fifths = [*split[0], *split[1]]
        results = tuple(in_batches(pool, evaluate, part, given.seed, split[0]) for part in (both_fifths, split[2]))
    result = figures(given.seed, generated, split, results)  # type: ignore[arg-type]
    (given.out / "locating.json").write_text(json.dumps(result, indent=1) + "\n")
    page = given.out / "locating.md"
    page.write_text(document(result) + learned_part(page.read_text() if page.exists() else ""))
    print(f"{page}: written in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
