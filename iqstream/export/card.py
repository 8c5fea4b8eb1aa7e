"""The card of an exported dataset: what it is, what was selected, how it is balanced. Markdown."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.outcomes import OutcomeCount
from iqstream.dataset.splits import SPLITS
from iqstream.export.selection import BIN_KM, Selection
from iqstream.export.table import Table
from iqstream.runtime.terminal import shown
from schemas import FEATURE_TABLE, STATISTICS, RecordedSpec, Spec
from schemas.pair_measurement import PAIR_TABLE

SNR_BIN_DB = 5.0
BAR = 30


@dataclass(slots=True)
class Tally:
    """Counts of the exported samples: by split, position, SNR."""

    rows: int = 0
    pair_rows: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    splits: Counter[tuple[str, str]] = field(default_factory=Counter)
    receiver_rows: Counter[str] = field(default_factory=Counter)
    places: Counter[int] = field(default_factory=Counter)
    snr: Counter[int] = field(default_factory=Counter)

    def add(self, table: Table) -> None:
        """Counts the rows of a table, and its samples by their first rows."""
        self.rows += len(table["sample_idx"])
        self.receiver_rows.update(table["split_receiver_holdout"].tolist())
        _, first = np.unique(table["sample_idx"], return_index=True)
        self.outcomes.update(table["outcome"][first].tolist())
        accepted = first[table["outcome"][first] == "accepted"]
        for kind in ("random", "spatial"):
            self.splits.update((kind, name) for name in table[f"split_{kind}"][accepted].tolist())
        self.places.update(table["inside_network"][accepted].tolist())
        self.snr.update(np.floor(table["mean_snr_db"][accepted] / SNR_BIN_DB).astype(int).tolist())


def dataset_card(
    dataset: Dataset,
    selection: Selection,
    outcomes: Sequence[OutcomeCount],
    tally: Tally,
    *,
    file: str,
    pairs_file: str,
    spec_sha256: str,
) -> str:
    """Returns the card's text; `pairs_file` is empty where there are no time differences."""
    spec = dataset.spec
    limits = spec.limits
    accepted = tally.outcomes["accepted"]
    rejected = tally.outcomes["rejected"]
    return "\n".join(
        [
            f"# {shown(dataset.name)}",
            "",
            f"`{shown(file)}`: {tally.rows} rows, one per sample and receiver; {accepted} accepted samples"
            + (f" and {rejected} rejected ones (their figures; the features are empty)." if rejected else "."),
            *(
                ("", f"`{shown(pairs_file)}`: {tally.pair_rows} time differences, one per accepted sample and pair.")
                if pairs_file
                else ()
            ),
            "",
            "| | |",
            "|---|---|",
            f"| dataset | {dataset.id}, version {dataset.version}, {dataset.status} |",
            f"| samples asked for | {dataset.requested}: {dataset.samples} |",
            f"| origin | {_origin(spec)} |",
            f"| spec | sha256 `{spec_sha256}` |",
            *_capture(spec),
            f"| receivers | {len(spec.receivers)} |",
            (
                f"| limits | mean SNR at least {limits.min_snr_db:g} dB, at least {limits.min_receivers} receivers "
                f"at {limits.detection_snr_db:g} dB or more, GDOP at most {limits.max_gdop:g} |"
            ),
            "| licence | to be chosen by whoever publishes the data |",
            "",
            "## What became of the samples asked for",
            "",
            *_table(
                ("outcome", "reason", "samples", "share"),
                [(o.outcome, o.reason or "", o.samples, _percent(o.samples, dataset.requested)) for o in outcomes],
            ),
            "",
            "## Acceptance by distance of the transmitter from the network's centre",
            "",
            "Near and loud transmitters are accepted more often than far ones; the column `weight` undoes it.",
            "",
            *_table(
                ("km", "samples", "accepted", "share"),
                [
                    (f"{at * BIN_KM:.0f}–{(at + 1) * BIN_KM:.0f}", samples, took, _percent(took, samples))
                    for at, (samples, took) in enumerate(
                        zip(selection.samples.tolist(), selection.accepted.tolist(), strict=True)
                    )
                    if samples
                ],
            ),
            "",
            "## Mean SNR of the accepted samples",
            "",
            "```",
            *_histogram(tally.snr),
            "```",
            "",
            "## Balance",
            "",
            *_table(
                ("transmitter", "accepted samples", "share"),
                [
                    (name, tally.places[place], _percent(tally.places[place], accepted))
                    for place, name in ((1, "inside the network"), (0, "outside"), (-1, "unknown"))
                    if tally.places[place]
                ],
            ),
            "",
            *_table(
                ("split", *SPLITS, "none"),
                [
                    *((kind, *[tally.splits[kind, name] for name in (*SPLITS, "")]) for kind in ("random", "spatial")),
                    ("receiver-holdout (rows)", *[tally.receiver_rows[name] for name in (*SPLITS, "")]),
                ],
            ),
            "",
            "## Intended use and known limits",
            "",
            *_use(dataset),
            "",
            "Columns of role `input` are what a receiver network knows. `gdop` is made with the true place and,",
            "like all columns of role `quality`, is no input.",
            "",
            "## Features",
            "",
            f"Columns are named after feature and statistic ({', '.join(STATISTICS)} over the chunks): `snr_db_mean`.",
            "The standard deviation of levels in dBm is in dB.",
            "",
            *_table(
                ("feature", "unit", "without a signal", "definition"),
                [
                    (f"`{f.name}`", f.unit, f.undetected, f.definition.replace("|", "\\|"))
                    for f in FEATURE_TABLE.values()
                ],
            ),
            "",
            *(_pairs() if pairs_file else ()),
        ]
    )


def _pairs() -> list[str]:
    definitions = [(f"`{q.name}`", q.unit, q.definition.replace("|", "\\|")) for q in PAIR_TABLE.values()]
    return [
        "## Time differences",
        "",
        "Of the recordings by `receiver_a` and `receiver_b`.",
        "",
        *_table(("column", "unit", "definition"), definitions),
        "",
    ]


def _origin(spec: Spec) -> str:
    if isinstance(spec, RecordedSpec):
        return f"real recordings, cut into windows by ingest {spec.ingest_version}"
    return f"synthetic, generator {spec.generator_version}, seed {spec.seed}"


def _capture(spec: Spec) -> tuple[str, ...]:
    if isinstance(spec, RecordedSpec):
        rate = "each at its own rate" if spec.sample_rate_hz is None else f"at {spec.sample_rate_hz / 1e3:g} kHz"
        return (f"| windows | {spec.window_ms} ms {rate}, chunks of {spec.chunk_ms} ms |",)
    capture = spec.capture
    return (
        f"| carrier | {spec.frequency_hz / 1e6:g} MHz |",
        (
            f"| capture | {capture.capture_ms} ms at {capture.sample_rate_hz / 1e3:g} kHz, "
            f"chunks of {capture.chunk_ms} ms |"
        ),
    )


def _use(dataset: Dataset) -> tuple[str, ...]:
    limits = (
        "Accepted samples are louder and nearer than all that were made (`weight` undoes it). Test on places that were",
        "not trained on: `split_spatial`.",
    )
    purpose = "For learning and testing how to locate a transmitter from what a network of receivers hears."
    if dataset.recorded:
        return (purpose, "Levels and times are as good as the receivers' calibration and clocks.", *limits)
    return (
        purpose,
        "Not for judging a real network: paths, echoes and noise are drawn from models, shadowing anew for every",
        "sample; one transmitter is on the air at a time, and receivers do not move. What is learned here must be",
        "tested on real recordings.",
        *limits,
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""


def _histogram(counts: Counter[int]) -> list[str]:
    if not counts:
        return ["no samples"]
    most = max(counts.values())
    return [
        f"{at * SNR_BIN_DB:5.0f} dB {counts[at]:7d} {'#' * round(BAR * counts[at] / most)}"
        for at in range(min(counts), max(counts) + 1)
    ]
