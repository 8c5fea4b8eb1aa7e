"""What the generator put into each recording, drawn again from the spec: link budgets and echoes, without any IQ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from iqstream.catalogue.datasets import Dataset
from iqstream.dataset.drawn import drawing
from iqstream.export.table import TRUTH_COLUMNS

DrawTruth: TypeAlias = Callable[[int], Mapping[str, Mapping[str, Any]]]
"""Gives the values of `TRUTH_COLUMNS` by rx_id for a sample's index."""


def truth_of(dataset: Dataset, terrain_dir: str) -> DrawTruth:
    """Returns what draws the truth of a dataset's samples; `terrain_dir` holds the tiles that its spec names.

    Raises:
        UserError: real recordings have no truth, another release made the dataset, or a terrain tile is missing; the
            last is raised by what is returned, too.
    """
    from producer.truth import drawn_clock, drawn_link, drawn_transmitter  # brings the compiled kernels

    draws = drawing(dataset, terrain_dir)

    def draw(sample_idx: int) -> dict[str, dict[str, Any]]:
        drawn = draws(sample_idx)
        transmitter = drawn_transmitter(drawn.scene, drawn.paths[0])
        return {
            path.receiver.rx_id: _columns(transmitter, drawn_link(path) | drawn_clock(path)) for path in drawn.paths
        }

    draw(next(iter(dataset.samples), 0))
    return draw


def _columns(transmitter: Mapping[str, Any], received: Mapping[str, Any]) -> dict[str, Any]:
    known = {f"tx_{name}": value for name, value in transmitter.items()} | dict(received)
    return {column.name: known[column.name.removeprefix("truth_")] for column in TRUTH_COLUMNS}
