"""The terrain that a dataset asks for."""

import math
from dataclasses import dataclass

import numpy as np

from producer.procedural import procedural_ground
from producer.terrain import Floats, Ground
from producer.tiles import Tiles, tiled_ground
from schemas import DatasetSpec


@dataclass(frozen=True, slots=True)
class LevelGround:
    """Land of the same height everywhere, for a dataset without terrain."""

    altitude_m: float

    def heights_m(self, latitudes: Floats, longitudes: Floats) -> Floats:
        """The one height, float64, shape (n,)."""
        return np.full(np.broadcast_shapes(latitudes.shape, longitudes.shape), self.altitude_m)

    def is_sea(self, latitude: float, longitude: float) -> bool:  # noqa: ARG002
        """Never."""
        return False


def ground_of(spec: DatasetSpec, tiles: Tiles) -> Ground:
    """Returns the terrain of a dataset.

    Raises:
        MissingTile: the spec names a tile that `tiles` has not, or has with another content.
    """
    if spec.terrain.source == "procedural":
        return procedural_ground(spec.receivers, spec.terrain)
    if spec.terrain.source == "tiles":
        return tiled_ground(spec.terrain.tiles, tiles)
    return LevelGround(math.fsum(receiver.altitude_m for receiver in spec.receivers) / len(spec.receivers))
