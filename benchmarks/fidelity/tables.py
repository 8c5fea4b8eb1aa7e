"""The text and tables of the extractor's chapter."""

from collections.abc import Iterable
from typing import Any

from benchmarks.fidelity import confidence, delay, detection
from benchmarks.fidelity.campaign import FEATURES, RELATIVE
from benchmarks.fidelity.goals import NOT_REACHED
from schemas import FEATURE_TABLE
from schemas.features import FLAT, GOAL_OCCUPANCY, TONE

Figures = dict[str, Any]
_FREQUENCY_GOAL = FEATURE_TABLE["frequency_offset_hz"].goal
EXPLAINED = {
    "noise_floor_dbm": "Noise power in the full band. Bound: the noise under the signal is known from beside it only, "
    f"sigma^2 = o / ((1 - o) n) for an occupied share o. No goal above {100 * GOAL_OCCUPANCY:g} % occupancy.",
    "snr_db": "Signal power over noise power, full band. Bound: sigma^2 = o (1 + 1/S)^2 / ((1 - o) n) + 2 / (S n): "
    "noise under the band, and noise in phase with the signal (Kay, Estimation Theory, 1993, section 3.7).",
    "frequency_offset_hz": "Against the carrier put in (data signals: the middle of their symbols, so their own "
    "randomness counts). Bound: tone and FM, Cramer-Rao sqrt(6) fs / (2 pi sqrt(S) n^1.5) (Rife and Boorstyn 1974) and "
    "for FM Rice's clicks (1963): each is a cycle lost or gained; flat bands, the chi-square spread of their edges. "
    f"Goal of a tone: {_FREQUENCY_GOAL(TONE).limit:g} times its bound; of flat bands "
    f"{100 * _FREQUENCY_GOAL(FLAT).limit:g} % of their width.",
    "bandwidth_hz": "99 % occupied bandwidth (ITU-R SM.328) against that of the same chunk without noise, by the same "
    "Welch spectrum. Bound: the energy beyond an edge is a sum of Welch bins of variance (1 + 2 S_k) / K; over the "
    "density at the edge it is the edge's shift.",
    "spectral_centroid_hz": "Centroid over the full band, against that of the chunk without noise. No goal.",
    "spectral_rolloff_hz": "Half-width that holds 85 % of the energy, against the chunk without noise. No goal.",
}


def chapter(figures: Figures, images: str) -> str:
    parts = [
        _introduction(figures),
        _misses(figures),
        *(_feature(figures, feature, images) for feature in FEATURES),
        _exact(figures),
        _detection(figures),
        _confidences(figures, images),
        _delay(figures),
    ]
    return "\n".join(parts)


def missed(figures: Figures) -> list[Figures]:
    """The campaign's cells whose RMS error is above the goal."""
    return [cell for cell in figures["cells"] if cell["met"] is False]


def _introduction(figures: Figures) -> str:
    judged = [cell for cell in figures["cells"] if cell["goal"] is not None]
    return _paragraphs(
        "# Features",
        "Chunks of 40,000 samples at 200 kHz, signals at random places of the window in white noise; SNR in the full",
        "200 kHz. Signals are made by `benchmarks/fidelity/signals.py`, apart from the producer. An error is the",
        f"estimate less what was **realised** in the chunk. {figures['sizes']['draws']} draws a cell; +- is the",
        f"standard error of the RMS. Of {len(judged)} cells with a goal {len(judged) - len(missed(figures))} meet it.",
    )


def _misses(figures: Figures) -> str:
    rows = [
        (
            f"`{c['feature']}`",
            c["signal"],
            f"{c['snr_db']:+.0f}",
            f"{c['rms']:.3g} +- {c['standard_error']:.1g}",
            _number(c["goal"]),
            _number(c["bound"]),
            NOT_REACHED.get((c["feature"], c["signal"], c["snr_db"]), ""),
        )
        for c in missed(figures)
    ]
    return "## Goals that are not met\n\n" + _table(
        ("feature", "signal", "SNR dB", "RMS", "goal", "bound", "why"), rows
    )


def _feature(figures: Figures, feature: str, images: str) -> str:
    cells = [c for c in figures["cells"] if c["feature"] == feature]
    picture = "" if feature.startswith("spectral") else f"![{feature}](images/{images}/{feature}.svg)\n\n"
    unit = "% of the truth" if feature in RELATIVE else FEATURE_TABLE[feature].difference_unit
    rows = [
        (
            c["signal"],
            f"{c['snr_db']:+.0f}",
            f"{c['bias']:+.3g}",
            f"{c['rms']:.3g} +- {c['standard_error']:.1g}",
            _number(c["bound"]),
            _number(c["goal"]),
            {True: "yes", False: "**no**", None: ""}[c["met"]],
        )
        for c in cells
    ]
    table = _table(("signal", "SNR dB", "bias", "RMS", "bound", "goal", "met"), rows)
    return f"## `{feature}`, {unit}\n\n{EXPLAINED[feature]}\n\n{picture}{table}"


def _exact(figures: Figures) -> str:
    rows = [
        (
            f"`{e['feature']}`",
            f"{e['largest_difference']:.1e}",
            f"{e['carrier']:.4g}",
            e["carrier_theory"],
            f"{e['noise']:.4g}",
            e["noise_theory"],
        )
        for e in figures["exact"]
    ]
    head = ("feature", "largest difference", "carrier", "theory", "noise", "theory")
    return (
        "## Plain arithmetic on the samples\n\nAgainst NumPy in double precision, one chunk of every kind of signal at "
        f"-150 to +30 dBm; goal of `rssi_dbm`: {FEATURE_TABLE['rssi_dbm'].goal().limit:g} dB.\n\n" + _table(head, rows)
    )


def _detection(figures: Figures) -> str:
    alarms = figures["false_alarms"]
    rows = [
        (
            s["signal"],
            f"{s['snr_db']:+.0f}",
            s["chunks"],
            f"{s['rate']:.4f} +- {s['standard_error']:.4f}",
            "yes" if s["rate"] >= detection.LEAST_DETECTION_RATE else "**no**",
        )
        for s in figures["detections"]
    ]
    false = f"{100 * alarms['rate']:.3f} +- {100 * alarms['standard_error']:.3f} %"
    return _paragraphs(
        "## `signal_present`",
        f"False alarms: {alarms['present']} of {alarms['chunks']} chunks of noise that no threshold was chosen on,",
        f"{false} (goal {100 * detection.LARGEST_FALSE_ALARM_RATE} %).",
    ) + _table(("signal", "SNR dB", "chunks", "detected", ">= 0.99"), rows)


def _confidences(figures: Figures, images: str) -> str:
    score, delays = figures["score"], figures["delay"]
    rows = [(s["scenario"], s["chunks"], f"{s['ece']:.3f}") for s in figures["scores"]]
    pictures = [f"![{name}](images/{images}/reliability_{name}.svg)" for name in ("score", "delay")]
    return (
        _paragraphs(
            "## `confidence_score` and `delay_spread_confidence`",
            "`confidence_score` = P(|SNR error| <= 1 dB and |offset error| <= 50 Hz), over detected chunks of -24 to",
            "30 dB, half of them fading, of signals that did not serve the calibration. Expected calibration error",
            f"over ten bins: **{score['ece']:.3f}** (goal {confidence.LARGEST_ECE}).",
            f"`delay_spread_confidence` = P(|tau error| <= {delay.TOLERANCE_US} us), over chunks of the default",
            f"dataset with another seed: **{delays['ece']:.3f}**.",
        )
        + " ".join(pictures)
        + "\n\n"
        + _table(("scenario", "chunks", "ECE on it alone"), rows)
    )


def _delay(figures: Figures) -> str:
    rows = [
        (
            f"{g['deviation_hz'] / 1000:g} kHz",
            g["recordings"],
            f"{g['bias_us']:+.3f}",
            f"{g['rms_us']:.3f}",
            f"{g['constant_us']:.3f}",
            f"{100 * g['gain']:.0f} +- {100 * g['standard_error']:.0f} %",
            "yes" if g["gain"] >= delay.LEAST_GAIN else "**no**",
        )
        for g in figures["gains"]
    ]
    head = ("deviation", "recordings", "bias us", "RMS us", "best constant us", "less error", ">= 30 %")
    return _paragraphs(
        "## `multipath_delay_spread_us`",
        f"Recordings of the default dataset with SNR >= {delay.LEAST_SNR_DB:g} dB: mean over the chunks against the",
        "channel's rms delay spread. Bound: a modulation that is not known tells one quadrature of the channel's",
        "slope, and nothing in the pauses of speech; the same fit on those slopes without any noise has",
        f"{100 * figures['best_gain']:.0f} % less error than the best constant.",
    ) + _table(head, rows)


def _paragraphs(title: str, *lines: str) -> str:
    return title + "\n\n" + "\n".join(lines) + "\n\n"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(map(str, cells)) + " |" for cells in lines) + "\n"
