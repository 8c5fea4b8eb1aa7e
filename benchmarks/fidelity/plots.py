"""The pictures of the extractor's chapter, as SVG without a date, so that the same figures give the same file."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

mpl.rcParams |= {
    "svg.hashsalt": "iqstream",
    "svg.fonttype": "none",
    "font.size": 8,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
PLOTTED = {
    "noise_floor_dbm": "noise floor, RMS error, dB",
    "snr_db": "SNR, RMS error, dB",
    "frequency_offset_hz": "frequency offset, RMS error, Hz",
    "bandwidth_hz": "99 % bandwidth, RMS error, %",
}


def draw(figures: dict[str, Any], images: Path) -> None:
    for feature, label in PLOTTED.items():
        _errors([c for c in figures["cells"] if c["feature"] == feature], label, images / f"{feature}.svg")
    for name in ("score", "delay"):
        _reliability(figures[name], images / f"reliability_{name}.svg")


def _errors(cells: list[dict[str, Any]], label: str, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7.2, 3.2), layout="constrained")
    for number, signal in enumerate(dict.fromkeys(c["signal"] for c in cells)):
        own = [c for c in cells if c["signal"] == signal]
        colour = f"C{number % 10}"
        snrs = [c["snr_db"] for c in own]
        style = "-" if number < 10 else "--"
        axes.plot(snrs, [c["rms"] for c in own], style, marker="o", ms=3, lw=1, color=colour, label=signal)
        bounds = [c["bound"] for c in own]
        if all(b is not None for b in bounds):
            axes.plot(snrs, bounds, ":", lw=0.8, color=colour)
    axes.set(xlabel="SNR in 200 kHz, dB (dotted: bound)", ylabel=label, yscale="log")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=7)
    _save(figure, path)


def _reliability(found: dict[str, Any], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(3.2, 3.0), layout="constrained")
    axes.plot([0, 1], [0, 1], ":", color="grey")
    used = [i for i, chunks in enumerate(found["chunks"]) if chunks]
    axes.plot([found["claimed"][i] for i in used], [found["right"][i] for i in used], "o-", ms=4, lw=1)
    axes.set(xlabel="claimed probability", ylabel="share that was right", title=f"ECE {found['ece']:.3f}")
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:  # noqa: ANN401 - matplotlib's figure
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
