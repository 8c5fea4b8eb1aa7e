"""How many samples are accepted, where, why not, and what a few dB more or less would do.

`python -m benchmarks.fidelity.acceptance [--samples 2000]` prints the chapter. No IQ is made: link budgets tell
(`iqstream.submit.acceptance`). That the extractor reads the same from whole recordings is checked on some of the
samples, with `sink.quality.assess` for both.
"""

import argparse
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import msgspec
import numpy as np
import numpy.typing as npt

from extractor.record import feature_record
from iqstream.submit.acceptance import Heard, hear, verdict
from producer.geometry import ground_distance_m
from producer.scenario import Scene
from producer.synthesize import synthesize_sample
from producer.version import GENERATOR_VERSION
from schemas import DatasetSpec, Lineage, Propagation
from sink.quality import REASONS, Accepted, Rejected

SAMPLES, VERIFIED = 2000, 48
SHIFTS_DB = (-6.0, -3.0, 0.0, 3.0, 6.0)
RINGS_KM = ((0, 40), (40, 60), (60, 80), (80, 100), (100, 130), (130, 400))

DEFAULTS = DatasetSpec(
    dataset_id="00000000-0000-4000-8000-000000000000",
    name="acceptance",
    samples=10_000,
    generator_version=GENERATOR_VERSION,
)
CITY = msgspec.structs.replace(DEFAULTS, propagation=Propagation(environment="city", clutter="urban"))


def shifted(heard: Sequence[Heard], shift_db: float) -> list[Heard]:
    return [Heard(h.receiver, h.truth, h.chunks_db + shift_db) for h in heard]


def reason(decided: Accepted | Rejected) -> str:
    return "accepted" if isinstance(decided, Accepted) else decided.reason


def measure(samples: int = SAMPLES, verified: int = VERIFIED) -> dict[str, Any]:
    """Returns all figures of the chapter, as plain data."""
    heard = [hear(DEFAULTS, index) for index in range(samples)]
    decided = [verdict(DEFAULTS, one) for one in heard]
    inside = np.array([one[0].truth.transmitter.inside_network for one in heard])
    accepted = np.array([isinstance(one, Accepted) for one in decided])
    away_km = np.array([centre_distance_km(one[0].truth.transmitter) for one in heard])
    city = [isinstance(verdict(CITY, hear(CITY, index)), Accepted) for index in range(samples)]
    return {
        "samples": samples,
        "accepted": share(accepted),
        "inside": share(accepted[inside]),
        "outside": share(accepted[~inside]),
        "reasons": {
            name: {
                place: count_of(decided, name, chosen) for place, chosen in (("inside", inside), ("outside", ~inside))
            }
            for name in ("accepted", *REASONS)
        },
        "by_distance": [
            {"from_km": low, "to_km": high, **share(accepted[(away_km >= low) & (away_km < high)])}
            for low, high in RINGS_KM
        ],
        "by_shift": [
            {
                "shift_db": shift_db,
                **share(np.array([isinstance(verdict(DEFAULTS, shifted(one, shift_db)), Accepted) for one in heard])),
            }
            for shift_db in SHIFTS_DB
        ],
        "detected": [int(count) for count in np.bincount([len(one.figures.detected) for one in decided], minlength=8)],
        "gdop_median": float(np.median([one.figures.gdop for one in decided if one.figures.gdop is not None])),
        "mean_snr_db_median": float(
            np.median([one.figures.mean_snr_db for one in decided if one.figures.mean_snr_db is not None])
        ),
        "city": share(np.array(city)),
        "verification": verify(DEFAULTS, heard[:verified]),
    }


def verify(spec: DatasetSpec, heard: Sequence[Sequence[Heard]]) -> dict[str, Any]:
    """The first samples as whole recordings through the extractor, beside the shortcut."""
    errors: list[float] = []
    same_detection = same_verdict = 0
    for index, short in enumerate(heard):
        nowhere = Lineage(topic="iq.frames", partition=0, offset=0, crc32=None)
        records = [feature_record(frame, nowhere) for frame in synthesize_sample(spec, index).frames]
        whole, quick = verdict(spec, records), verdict(spec, short)
        same_verdict += reason(whole) == reason(quick)
        names = set(whole.figures.detected) & set(quick.figures.detected)
        same_detection += len(records) - len(set(whole.figures.detected) ^ set(quick.figures.detected))
        errors += [
            record.value("snr_db") - one.value("snr_db")
            for record, one in zip(records, short, strict=True)
            if one.receiver.rx_id in names
        ]
    return {
        "samples": len(heard),
        "same_verdict": same_verdict,
        "receivers": 7 * len(heard),
        "same_detection": same_detection,
        "snr_bias_db": float(np.mean(errors)),
        "snr_rms_db": math.sqrt(float(np.mean(np.square(errors)))),
    }


def share(accepted: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Returns the accepted samples of a selection, and the standard error of their share."""
    count, part = accepted.size, float(accepted.mean()) if accepted.size else math.nan
    return {
        "of": count,
        "share": part,
        "standard_error": math.sqrt(part * (1 - part) / count) if count else math.nan,
    }


def count_of(decided: Sequence[Accepted | Rejected], name: str, chosen: npt.NDArray[np.bool_]) -> int:
    return Counter(reason(one) for one, wanted in zip(decided, chosen, strict=True) if wanted)[name]


def centre_distance_km(scene: Scene) -> float:
    """Returns the distance from the mean position of the receivers, km."""
    latitude, longitude = (
        float(np.mean([getattr(receiver, name) for receiver in DEFAULTS.receivers]))
        for name in ("latitude", "longitude")
    )
    return ground_distance_m(scene.latitude, scene.longitude, latitude, longitude) / 1000


def section(images: Path) -> str:
    """The chapter; its picture goes to `images`."""
    found = measure()
    draw(found, images / "acceptance-sensitivity.svg")
    return "\n".join(chapter(found, f"{images.parent.name}/{images.name}"))


def chapter(found: dict[str, Any], images: str) -> Iterator[str]:
    """Lines of Markdown."""
    checked = found["verification"]
    yield f"# Accepted samples\n\nThe default dataset, {found['samples']} samples, limits as they stand in the spec."
    yield "The SNR of a chunk is the budget's times the realised fading of the sample's own taps, without IQ. Whole"
    yield f"recordings through the extractor say the same: {checked['same_verdict']} of {checked['samples']} verdicts,"
    yield f"{checked['same_detection']} of {checked['receivers']} detections, SNR of the detected"
    yield f"{checked['snr_bias_db']:+.2f} dB on average, {checked['snr_rms_db']:.2f} dB RMS.\n"
    yield "| samples | accepted | standard error |\n|---|---|---|"
    rows = [("all", found["accepted"]), ("inside the network", found["inside"]), ("outside", found["outside"])]
    rows += [(f"{r['from_km']}-{r['to_km']} km from the network's centre", r) for r in found["by_distance"]]
    rows += [(f"all, {r['shift_db']:+g} dB at every receiver", r) for r in found["by_shift"] if r["shift_db"]]
    rows += [("all, city noise and urban clutter", found["city"])]
    for name, row in rows:
        yield f"| {name} ({row['of']}) | {row['share']:.1%} | {row['standard_error']:.1%} |"
    yield "\n| verdict | inside | outside |\n|---|---|---|"
    for name, counts in found["reasons"].items():
        yield f"| {name} | {counts['inside']} | {counts['outside']} |"
    yield f"\nReceivers that detect, 0 to 7: {', '.join(map(str, found['detected']))} samples. Medians: mean SNR"
    yield f"{found['mean_snr_db_median']:.1f} dB, GDOP {found['gdop_median']:.2f}.\n"
    yield f"![Accepted share by change of SNR]({images}/acceptance-sensitivity.svg)\n"


def draw(found: dict[str, Any], path: Path) -> None:
    """Accepted share against a change of every SNR."""
    mpl.use("svg")
    from matplotlib import pyplot as plt

    with mpl.rc_context({"svg.hashsalt": "iqstream", "svg.fonttype": "none", "font.size": 8}):
        figure, axes = plt.subplots(figsize=(4.0, 2.6), layout="constrained")
        rows = found["by_shift"]
        axes.errorbar(
            [row["shift_db"] for row in rows],
            [100 * row["share"] for row in rows],
            [200 * row["standard_error"] for row in rows],
            marker="o",
            ms=4,
            capsize=3,
        )
        axes.set(xlabel="change of every SNR, dB", ylabel="accepted, %", ylim=(0, 100))
        axes.grid(visible=True, alpha=0.3)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Share of accepted samples with the default settings.")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="default 2000")
    print("\n".join(chapter(measure(parser.parse_args().samples), "images/fidelity")))
