"""Runs all studies of the extractor's features, and writes their chapter."""

import itertools
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.fidelity import plots, tables
from benchmarks.fidelity.campaign import SNRS_DB, Cell, run_cell
from benchmarks.fidelity.confidence import UNSEEN, Claims, Reliability, reliability, score_claims
from benchmarks.fidelity.delay import Gain, claims_of, gains, recordings
from benchmarks.fidelity.delay_bound import best_gain
from benchmarks.fidelity.detection import WEAK, Share, detections, false_alarms
from benchmarks.fidelity.exact import Exact, exact_features
from benchmarks.fidelity.signals import KINDS
from extractor.version import EXTRACTOR_VERSION

SEED = 1


class Sizes(NamedTuple):
    """How much of everything: the document's by default."""

    draws: int = 50
    noise_chunks: int = 100_000
    weak_chunks: int = 300
    claims: int = 200
    samples: int = 1600


class Study(NamedTuple):
    """Every figure of the extractor's chapter."""

    sizes: Sizes
    cells: list[Cell]
    exact: list[Exact]
    false_alarms: Share
    detections: list[Share]
    scores: list[Claims]
    score: Reliability
    delay: Reliability
    gains: list[Gain]
    best_gain: float


def run(executor: Executor, sizes: Sizes) -> Study:
    """The same figures for the same sizes, however many processes share the work."""
    blocks, per_block = 20, 15
    cells = [executor.submit(run_cell, k, s, sizes.draws, SEED) for k, s in itertools.product(KINDS, SNRS_DB)]
    alarms = [executor.submit(false_alarms, sizes.noise_chunks // blocks, SEED + i) for i in range(blocks)]
    weak = [executor.submit(detections, k, s, sizes.weak_chunks, SEED) for k, s in WEAK]
    scores = [executor.submit(score_claims, k, sizes.claims, SEED) for k in UNSEEN]
    heard = [
        executor.submit(recordings, first, min(per_block, sizes.samples - first))
        for first in range(0, sizes.samples, per_block)
    ]
    best = executor.submit(best_gain, sizes.claims * 10, SEED)
    exact = executor.submit(exact_features, SEED)
    all_heard = [recording for future in heard for recording in future.result()]
    delay_claims, default_scores = claims_of(all_heard)
    score_sets = [f.result() for f in scores]
    parts = [f.result() for f in alarms]
    return Study(
        sizes=sizes,
        cells=[cell for future in cells for cell in future.result()],
        exact=exact.result(),
        false_alarms=Share("noise", None, sum(p.chunks for p in parts), sum(p.present for p in parts)),
        detections=[f.result() for f in weak],
        scores=[default_scores, *score_sets],
        score=reliability(score_sets),
        delay=reliability([delay_claims]),
        gains=gains(all_heard),
        best_gain=best.result(),
    )


def figures(study: Study) -> dict[str, Any]:
    """The figures as JSON values, rounded to what their number of draws supports."""
    return {
        "extractor_version": EXTRACTOR_VERSION,
        "sizes": study.sizes._asdict(),
        "cells": [_rounded(cell._asdict() | {"met": cell.met}) for cell in study.cells],
        "exact": [_rounded(e._asdict()) for e in study.exact],
        "false_alarms": _share(study.false_alarms),
        "detections": [_share(s) for s in study.detections],
        "scores": [
            _rounded({"scenario": c.scenario, "chunks": len(c.right), "ece": reliability([c]).ece})
            for c in study.scores
        ],
        "score": _reliability(study.score),
        "delay": _reliability(study.delay),
        "gains": [_rounded(g._asdict() | {"gain": g.gain}) for g in study.gains],
        "best_gain": round(study.best_gain, 3),
    }


def chapter(figures: dict[str, Any], images: Path) -> str:
    """Markdown of the extractor's chapter; draws its pictures into `images`."""
    plots.draw(figures, images)
    return tables.chapter(figures, images.name)


def _share(share: Share) -> dict[str, Any]:
    return _rounded(share._asdict() | {"rate": share.rate, "standard_error": share.standard_error})


def _reliability(found: Reliability) -> dict[str, Any]:
    return {
        "chunks": list(found.chunks),
        "claimed": [round(p, 3) for p in found.claimed],
        "right": [round(p, 3) for p in found.right],
        "ece": round(found.ece, 4),
    }


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: float(f"{value:.3g}") if isinstance(value, float) else value for name, value in values.items()}
