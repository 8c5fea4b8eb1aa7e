"""The recordings of one sample: for every receiver its waveform and its spectrogram."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iqstream.dataset.sample_iq import SampleIQ
from iqstream.plot.picture import INK, TITLE, Recording, draw_spectrogram, dress, level_unit, save_figure
from iqstream.runtime.terminal import shown

WIDTH_INCHES, ROW_INCHES, HEAD_INCHES = 16.0, 2.4, 0.8
COLUMNS = 1600
"""Of a waveform: more than its pixels would not show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingsPage:
    """What the picture shows."""

    title: str
    recordings: Sequence[Recording]


def recordings_page(sample: SampleIQ) -> RecordingsPage:
    """Returns the page of a sample."""
    why = f" ({sample.reason})" if sample.reason else ""
    return RecordingsPage(
        title=f"{sample.dataset.name}: sample {sample.sample_idx}, {sample.outcome}{why}",
        recordings=[
            Recording(
                samples=frame.samples(),
                sample_rate_hz=frame.sample_rate_hz,
                center_frequency_hz=frame.center_frequency_hz,
                title=rx_id + (f", SNR {sample.snr_db[rx_id]:.1f} dB" if rx_id in sample.snr_db else ""),
                level_unit=level_unit(frame),
            )
            for rx_id, frame in sample.frames.items()
        ],
    )


def save_recordings_picture(page: RecordingsPage, path: Path) -> None:
    """Writes the page as a PNG; makes its folder."""
    save_figure(draw_recordings(page), path)


def draw_recordings(page: RecordingsPage) -> Figure:
    """Returns the page as a figure, a row per receiver; matplotlib's global state is not changed."""
    rows = len(page.recordings)
    size = (WIDTH_INCHES, HEAD_INCHES + ROW_INCHES * rows)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    figure.suptitle(shown(page.title), fontsize=TITLE + 3, fontweight="bold", color=INK, parse_math=False)
    grid = figure.add_gridspec(rows, 2)
    for row, recording in enumerate(page.recordings):
        _draw_waveform(figure.add_subplot(grid[row, 0]), recording)
        draw_spectrogram(figure, figure.add_subplot(grid[row, 1]), recording)
    return figure


def _draw_waveform(axes: Axes, recording: Recording) -> None:
    """I and Q: from the least to the greatest value within each column of the picture."""
    time_ms, lowest, highest = extremes(recording.samples, recording.sample_rate_hz)
    for component, colour, name in ((1, "#f28e2b", "Q"), (0, "#4e79a7", "I")):
        axes.fill_between(
            time_ms, lowest[:, component], highest[:, component], color=colour, alpha=0.7, linewidth=0.4, label=name
        )
    dress(axes, recording.title, "time, ms", "amplitude, √mW")
    axes.ticklabel_format(axis="y", style="scientific", scilimits=(0, 0))
    axes.set_xlim(0, 1000 * len(recording.samples) / recording.sample_rate_hz)
    axes.legend(loc="upper right", ncols=2, frameon=False)


def extremes(
    samples: npt.NDArray[np.complex64], sample_rate_hz: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Returns times in ms, shape (k,), and the least and greatest I and Q from there to the next, each (k, 2).

    k is COLUMNS at most.
    """
    components = np.ascontiguousarray(samples).view(np.float32).reshape(-1, 2)
    starts = np.unique(np.linspace(0, len(samples), COLUMNS, endpoint=False).astype(np.intp))
    return (
        1000 * starts / sample_rate_hz,
        np.minimum.reduceat(components, starts, axis=0),
        np.maximum.reduceat(components, starts, axis=0),
    )
