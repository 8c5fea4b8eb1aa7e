"""A dataset on one page: the map with its links, a recording, and the errors of what was measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from scipy.signal import get_window

from iqstream.catalogue.outcomes import SampleOutcome
from iqstream.plot.truth import QUANTITIES, RecordingErrors
from iqstream.runtime.terminal import shown
from schemas import FeatureRecord, IQFrame, Receiver
from sink.quality import detection_snr_db as detection_limit_db

SIZE_INCHES = (16.0, 9.0)
DOTS_PER_INCH = 120
FFT_LENGTH = 1024
ERRORS_FROM_SNR_DB = -5.0
"""Weaker recordings have no goals, and errors that would hide all others."""
KM_PER_DEGREE = 111.195
"""On a sphere of 6371 km."""

TITLE, _LABEL, _TICK = 13, 11, 9.5
INK, _GRID = "#22272e", "#d8dde3"
_LINKS, _SPECTRUM = "viridis", "magma"
_MARKS = {
    ("accepted", None): ("o", "#ffffff", "accepted"),
    ("rejected", "low_snr"): ("v", "#f28e2b", "rejected: low SNR"),
    ("rejected", "too_few_receivers"): ("X", "#e15759", "rejected: too few receivers"),
    ("rejected", "poor_geometry"): ("D", "#b07aa1", "rejected: poor geometry"),
    ("failed", None): ("P", "#111111", "failed"),
}
"""Marker, colour and words by verdict and reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A transmission as received by one receiver."""

    tx_latitude: float
    tx_longitude: float
    receiver: Receiver
    snr_db: float
    """Measured: the mean over the recording's chunks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording: complex samples, shape (n,), in sqrt(mW)."""

    samples: npt.NDArray[np.complex64]
    sample_rate_hz: float
    center_frequency_hz: float
    title: str
    level_unit: str = "dBm"
    """dBFS of a receiver without a calibration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What the picture shows."""

    title: str
    receivers: Sequence[Receiver]
    """Those of known place."""
    outcomes: Sequence[SampleOutcome]
    links: Sequence[Link]
    recording: Recording | None
    errors: Sequence[RecordingErrors]
    recorded: bool = False
    """Of real recordings, which have no truth."""


def heard_link(record: FeatureRecord, detection_snr_db: float) -> Link | None:
    """Returns the link of a recording in which the signal was detected; None otherwise, and without two known places.

    Detected as in the quality filter: present in most chunks, and a mean SNR of at least `detection_snr_db`, which is
    moved to the bandwidth of a real recording.
    """
    snr_db, transmitter, receiver = record.value("snr_db"), record.transmitter, record.receiver.placed
    least_db = detection_limit_db(detection_snr_db, None if record.recorded is None else record.sample_rate_hz)
    if transmitter is None or receiver is None or record.value("signal_present") <= 0.5 or snr_db < least_db:
        return None
    return Link(
        tx_latitude=transmitter.latitude,
        tx_longitude=transmitter.longitude,
        receiver=receiver,
        snr_db=snr_db,
    )


def level_unit(frame: IQFrame) -> str:
    """Returns dBm, or dBFS of a receiver without a calibration."""
    return "dBFS" if frame.recorded is not None and frame.recorded.level_reference == "dbfs" else "dBm"


def save_picture(page: Page, path: Path) -> None:
    """Writes the page as a PNG; makes its folder."""
    save_figure(draw(page), path)


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure as a PNG; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=DOTS_PER_INCH, format="png")


def draw(page: Page) -> Figure:
    """Returns the page as a figure; matplotlib's global state is not changed."""
    figure = Figure(figsize=SIZE_INCHES, layout="constrained", facecolor="white")
    figure.suptitle(shown(page.title), fontsize=16, fontweight="bold", color=INK, parse_math=False)
    grid = figure.add_gridspec(3, 3, width_ratios=(1.45, 1, 1), height_ratios=(1.25, 1, 1))
    _draw_map(figure, figure.add_subplot(grid[:, 0]), page)
    draw_spectrogram(figure, figure.add_subplot(grid[0, 1:]), page.recording)
    strong = [recording for recording in page.errors if recording.true_snr_db >= ERRORS_FROM_SNR_DB]
    for index in range(len(QUANTITIES)):
        axes = figure.add_subplot(grid[1 + index // 2, 1 + index % 2])
        _draw_errors(axes, index, strong, "real recordings: no truth" if page.recorded else "no recordings")
    return figure


def _draw_map(figure: Figure, axes: Axes, page: Page) -> None:
    _draw_links(figure, axes, page)
    for (verdict, reason), (marker, colour, words) in _MARKS.items():
        here = [o for o in page.outcomes if o.verdict == verdict and (reason is None or o.reason == reason)]
        placed = [(o.longitude, o.latitude) for o in here if o.longitude is not None and o.latitude is not None]
        if placed:
            longitudes, latitudes = zip(*placed, strict=True)
            axes.scatter(
                longitudes, latitudes, s=34, marker=marker, facecolor=colour, edgecolor=INK, linewidth=0.9, zorder=3,
                label=f"{words} ({len(here)})",
            )  # fmt: skip
    axes.scatter(
        [r.longitude for r in page.receivers],
        [r.latitude for r in page.receivers],
        s=150, marker="^", facecolor="#d62728", edgecolor="white", linewidth=1.2, zorder=4,
        label=f"receiver ({len(page.receivers)})",
    )  # fmt: skip
    _label_receivers(axes, page.receivers)
    south, north = axes.get_ylim()
    shrink = math.cos(math.radians((south + north) / 2))
    axes.set_aspect(1 / shrink)
    dress(axes, "Transmitters by outcome, links by measured SNR", "longitude, degrees east", "latitude, degrees north")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=2, fontsize=_TICK, frameon=False)
    _draw_scale(axes, shrink)


def _draw_links(figure: Figure, axes: Axes, page: Page) -> None:
    links = page.links
    if not links:
        why = "where transmitters stood is not known" if page.recorded else "no transmission was heard"
        axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", color=INK)
        return
    ordered = sorted(links, key=lambda link: link.snr_db)  # the strongest on top
    snr_db = np.array([link.snr_db for link in ordered])
    lines = LineCollection(
        [
            [(link.tx_longitude, link.tx_latitude), (link.receiver.longitude, link.receiver.latitude)]
            for link in ordered
        ],
        array=snr_db,
        cmap=_LINKS,
        norm=Normalize(float(snr_db.min()), max(float(snr_db.max()), float(snr_db.min()) + 1.0)),
        linewidth=0.8,
        alpha=max(0.25, min(0.8, 150 / len(ordered))),
        zorder=2,
    )
    axes.add_collection(lines)
    bar = figure.colorbar(lines, ax=axes, shrink=0.6, pad=0.02, aspect=30)
    bar.set_label("SNR in the full bandwidth, dB", fontsize=_LABEL, color=INK)
    bar.ax.tick_params(labelsize=_TICK)
    if bar.solids is not None:
        bar.solids.set_alpha(1)  # the bar shows the colours as they are, the lines let others through


def _label_receivers(axes: Axes, receivers: Sequence[Receiver]) -> None:
    """Names beside the triangles; one that has an earlier receiver close by goes to the other side."""
    for index, receiver in enumerate(receivers):
        near = sum(
            abs(receiver.latitude - other.latitude) < 0.06 and abs(receiver.longitude - other.longitude) < 0.2
            for other in receivers[:index]
        )
        left = near % 2 == 1
        axes.annotate(
            receiver.rx_id,
            (receiver.longitude, receiver.latitude),
            xytext=(-8 if left else 8, 7),
            textcoords="offset points",
            ha="right" if left else "left",
            fontsize=_TICK,
            fontweight="bold",
            color=INK,
            path_effects=[withStroke(linewidth=3, foreground="white")],
            zorder=5,
        )


def _draw_scale(axes: Axes, shrink: float) -> None:
    """A bar of a round number of kilometres, about a quarter of the map."""
    west, east = axes.get_xlim()
    south, north = axes.get_ylim()
    quarter_km = (east - west) * KM_PER_DEGREE * shrink / 4
    decade = 10.0 ** math.floor(math.log10(quarter_km))
    length_km = max(step * decade for step in (1, 2, 5) if step * decade <= quarter_km)
    start, height = west + 0.04 * (east - west), south + 0.03 * (north - south)
    end = start + length_km / (KM_PER_DEGREE * shrink)
    axes.plot([start, end], [height, height], color=INK, linewidth=3, solid_capstyle="butt", zorder=6)
    axes.annotate(
        f"{length_km:g} km",
        ((start + end) / 2, height),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        fontsize=_TICK,
        color=INK,
        path_effects=[withStroke(linewidth=3, foreground="white")],
        zorder=6,
    )
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)


def draw_spectrogram(figure: Figure, axes: Axes, recording: Recording | None) -> None:
    """Draws a recording's power densities over time and frequency, or says that there is none."""
    if recording is None:
        axes.text(0.5, 0.5, "no recording", transform=axes.transAxes, ha="center", color=INK)
        dress(axes, "Recording", "time, ms", "frequency, kHz")
        return
    dbm_per_hz = spectrogram_dbm_per_hz(recording.samples, recording.sample_rate_hz)
    half_khz = recording.sample_rate_hz / 2000
    image = axes.imshow(
        dbm_per_hz.T,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(0, 1000 * len(recording.samples) / recording.sample_rate_hz, -half_khz, half_khz),
        cmap=_SPECTRUM,
        vmin=float(np.percentile(dbm_per_hz, 10)) - 3,
        vmax=float(np.percentile(dbm_per_hz, 99.9)),
    )
    bar = figure.colorbar(image, ax=axes, pad=0.01)
    bar.set_label(f"{recording.level_unit}/Hz", fontsize=_LABEL, color=INK)
    bar.ax.tick_params(labelsize=_TICK)
    megahertz = f"{recording.center_frequency_hz / 1e6:g} MHz"
    dress(axes, recording.title, "time, ms", f"offset from {megahertz}, kHz")
    axes.grid(visible=False)


def spectrogram_dbm_per_hz(samples: npt.NDArray[np.complex64], sample_rate_hz: float) -> npt.NDArray[np.float64]:
    """Power densities of half-overlapping Hann windows, shape (times, frequencies), lowest frequency first.

    |X|^2 / (rate * sum w^2), in dB over 1 mW/Hz; -300 at least. A recording shorter than a window is one window.
    """
    length = min(FFT_LENGTH, len(samples))
    window = get_window("hann", length)
    pieces = np.lib.stride_tricks.sliding_window_view(samples, length)[:: max(1, length // 2)]
    spectra = np.fft.fftshift(np.fft.fft(pieces * window, axis=1), axes=1)
    density = np.abs(spectra) ** 2 / (sample_rate_hz * np.sum(window**2))
    decibels: npt.NDArray[np.float64] = 10 * np.log10(np.maximum(density, 1e-30))
    return decibels


def _draw_errors(axes: Axes, index: int, recordings: Sequence[RecordingErrors], nothing: str) -> None:
    """A histogram over the central 98 %; what lies outside is in the outermost bins."""
    quantity = QUANTITIES[index]
    dress(axes, f"{quantity.long_name} error", f"measured - true, {quantity.unit}", "recordings")
    if not recordings:
        axes.text(0.5, 0.5, nothing, transform=axes.transAxes, ha="center", color=INK)
        return
    errors = np.array([recording.errors[index] for recording in recordings])
    limit = max(float(np.percentile(np.abs(errors), 98)), 1e-6)
    axes.hist(
        np.clip(errors, -limit, limit), bins=41, range=(-limit, limit), color="#4e79a7", edgecolor="white", lw=0.3
    )
    axes.axvline(0, color=INK, linewidth=1)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    bias, rms = float(errors.mean()), float(np.sqrt(np.mean(errors**2)))
    axes.text(
        0.98, 0.95, f"bias {bias:+.3g} {quantity.unit}\nRMS {rms:.3g} {quantity.unit}\nn = {len(errors)}",
        transform=axes.transAxes, ha="right", va="top", fontsize=_TICK, color=INK,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2},
    )  # fmt: skip


def dress(axes: Axes, title: str, x: str, y: str) -> None:
    """Gives axes their title and labels."""
    axes.set_title(title, fontsize=TITLE, loc="left", color=INK)
    axes.set_xlabel(x, fontsize=_LABEL, color=INK)
    axes.set_ylabel(y, fontsize=_LABEL, color=INK)
    axes.tick_params(labelsize=_TICK, colors=INK)
    axes.grid(visible=True, color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
