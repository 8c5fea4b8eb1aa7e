"""A sample as the generator draws it, again: where it is sent from and the paths to all receivers, without any IQ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from iqstream.catalogue.datasets import Dataset
from iqstream.runtime.errors import UserError
from schemas import DatasetSpec

if TYPE_CHECKING:
    from producer.path import Path
    from producer.scenario import Scene
    from producer.terrain import Ground


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnSample:
    """What the generator knows of a sample before anything is sent."""

    spec: DatasetSpec
    ground: Ground
    scene: Scene
    paths: tuple[Path, ...]
    """To every receiver of the spec, in its order."""


Draw: TypeAlias = Callable[[int], DrawnSample]


def drawing(dataset: Dataset, terrain_dir: str) -> Draw:
    """Returns what draws the samples of a dataset by index; `terrain_dir` holds the tiles that its spec names.

    Raises:
        UserError: real recordings have no truth, another release made the dataset, or a terrain tile is missing; the
            last is raised by what is returned.
    """
    from producer.ground import ground_of  # brings the compiled kernels, which few who import this need
    from producer.path import draw_paths
    from producer.scenario import draw_scene
    from producer.streams import Purpose, scalar_stream
    from producer.tile_directory import tiles_in
    from producer.tiles import MissingTile
    from producer.version import GENERATOR_VERSION

    spec = dataset.spec
    if not isinstance(spec, DatasetSpec):
        raise UserError(f"dataset {dataset.name!r} holds real recordings: their truth is not known")
    if spec.generator_version != GENERATOR_VERSION:
        raise UserError(
            f"dataset {dataset.name!r} was made by generator {spec.generator_version!r}, and this is "
            f"{GENERATOR_VERSION!r}: only the release that made it can draw its truth"
        )
    tiles = tiles_in(terrain_dir)

    def draw(sample_idx: int) -> DrawnSample:
        try:
            ground = ground_of(spec, tiles)
            scene = draw_scene(spec, scalar_stream(spec.seed, sample_idx, Purpose.SCENARIO), ground)
            return DrawnSample(spec=spec, ground=ground, scene=scene, paths=draw_paths(spec, sample_idx, scene, ground))
        except MissingTile as error:
            raise UserError(f"the truth of dataset {dataset.name!r} cannot be drawn: {error}") from None

    return draw
