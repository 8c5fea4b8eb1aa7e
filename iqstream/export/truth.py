"""What the generator put into each recording, drawn again from the spec: link budgets and echoes, without any IQ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from iqstream.catalogue.datasets import Dataset
from iqstream.export.table import TRUTH_COLUMNS
from iqstream.runtime.errors import UserError

DrawTruth: TypeAlias = Callable[[int], Mapping[str, Mapping[str, Any]]]
"""Gives the values of `TRUTH_COLUMNS` by rx_id for a sample's index."""

_OF_TRANSMITTER = "truth_tx_"
_OF_LINK = "truth_"


def truth_of(dataset: Dataset, terrain_dir: str) -> DrawTruth:
    """Returns what draws the truth of a dataset's samples; `terrain_dir` holds the tiles that its spec names.

    Raises:
        UserError: real recordings have no truth, another release made the dataset, or a terrain tile is missing; the
            last is raised by what is returned, too.
    """
    from producer.ground import ground_of  # brings the compiled kernels, which no other export needs
    from producer.path import draw_paths
    from producer.scenario import draw_scene
    from producer.streams import Purpose, scalar_stream
    from producer.tile_directory import tiles_in
    from producer.tiles import MissingTile
    from producer.truth import drawn_link, drawn_transmitter
    from producer.version import GENERATOR_VERSION

    spec = dataset.spec
    if dataset.recorded:
        raise UserError(f"dataset {dataset.name!r} holds real recordings: their truth is not known")
    if spec.generator_version != GENERATOR_VERSION:
        raise UserError(
            f"dataset {dataset.name!r} was made by generator {spec.generator_version!r}, and this is "
            f"{GENERATOR_VERSION!r}: only the release that made it can draw its truth"
        )
    tiles = tiles_in(terrain_dir)

    def draw(sample_idx: int) -> dict[str, dict[str, Any]]:
        try:
            ground = ground_of(spec, tiles)
            scene = draw_scene(spec, scalar_stream(spec.seed, sample_idx, Purpose.SCENARIO), ground)
            paths = draw_paths(spec, sample_idx, scene, ground)
        except MissingTile as error:
            raise UserError(f"the truth of dataset {dataset.name!r} cannot be drawn: {error}") from None
        transmitter = drawn_transmitter(spec, scene)
        return {path.receiver.rx_id: _columns(transmitter, drawn_link(path)) for path in paths}

    draw(next(iter(dataset.samples), 0))
    return draw


def _columns(transmitter: Mapping[str, Any], link: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for column in TRUTH_COLUMNS:
        if column.name.startswith(_OF_TRANSMITTER):
            found[column.name] = transmitter[column.name.removeprefix(_OF_TRANSMITTER)]
        else:
            found[column.name] = link[column.name.removeprefix(_OF_LINK)]
    return found
