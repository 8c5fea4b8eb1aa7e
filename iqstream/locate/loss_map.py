"""The loss from the cells of a grid to every receiver of a network, over the generator's own ground."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from iqstream.locate.cells import CELLS, Cells
from iqstream.locate.estimate import EARTH_RADIUS_KM, Floats, distances_km
from producer.clutter import clutter_loss_db
from producer.ground import ground_of
from producer.propagation import MIN_DISTANCE_M, free_space_loss_db, terrain_loss
from producer.terrain import profile
from producer.tiles import NO_TILES, Tiles
from schemas import DatasetSpec

TX_HEIGHT_M = 12.0
"""Above ground: near the middle of the loss that heights of 1.5 to 30 m bring."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LossMap(Cells):
    """Cells on land, by the share of transmitters that a dataset puts into each."""

    loss_db: Floats
    """To r receivers, shape (n, r), without shadowing."""


@lru_cache(maxsize=2)
def loss_map(spec: DatasetSpec, *, tiles: Tiles = NO_TILES, cells: int = CELLS) -> LossMap:
    """Computed once for a network: about 10 s for 30,000 cells and seven receivers."""
    receivers = spec.receivers
    margin = spec.scenario.margin_deg
    south, north = min(r.latitude for r in receivers), max(r.latitude for r in receivers)
    west, east = min(r.longitude for r in receivers), max(r.longitude for r in receivers)
    shape = (north - south + 2 * margin), (east - west + 2 * margin) * np.cos(np.radians((south + north) / 2))
    rows = max(2, round(np.sqrt(cells * shape[0] / shape[1])))
    columns = max(2, cells // rows)
    lat = south - margin + (np.arange(rows) + 0.5) * (north - south + 2 * margin) / rows
    lon = west - margin + (np.arange(columns) + 0.5) * (east - west + 2 * margin) / columns
    latitudes, longitudes = (axis.ravel() for axis in np.meshgrid(lat, lon, indexing="ij"))
    ground = ground_of(spec, tiles)
    if not spec.scenario.transmitters_at_sea:
        dry = np.array(
            [not ground.is_sea(*place) for place in zip(latitudes.tolist(), longitudes.tolist(), strict=True)]
        )
        latitudes, longitudes = latitudes[dry], longitudes[dry]
    heights = ground.heights_m(np.ascontiguousarray(latitudes), np.ascontiguousarray(longitudes))
    places = np.array([[r.latitude, r.longitude] for r in receivers])
    distance = distances_km(latitudes, longitudes, places)
    loss = np.empty(distance.shape)
    for column, receiver in enumerate(receivers):
        clutter = sum(
            clutter_loss_db(height, spec.frequency_hz, spec.propagation.clutter)
            for height in (TX_HEIGHT_M, receiver.antenna_height_m)
        )
        for row, (latitude, longitude, height) in enumerate(
            zip(latitudes.tolist(), longitudes.tolist(), heights.tolist(), strict=True)
        ):
            free = free_space_loss_db(spec.frequency_hz, max(1000 * distance[row, column], MIN_DISTANCE_M))
            loss[row, column] = free + clutter
            if spec.terrain.source != "none":
                over = profile(
                    ground,
                    (latitude, longitude, height),
                    (receiver.latitude, receiver.longitude, receiver.altitude_m),
                    step_m=max(spec.terrain.profile_step_m, 250.0),
                )
                loss[row, column] += terrain_loss(
                    over,
                    tx_height_m=TX_HEIGHT_M,
                    rx_height_m=receiver.antenna_height_m,
                    frequency_hz=spec.frequency_hz,
                    effective_earth_factor=spec.propagation.effective_earth_factor,
                ).diffraction_db
    inside = (latitudes >= south) & (latitudes <= north) & (longitudes >= west) & (longitudes <= east)
    share = spec.scenario.inside_share
    prior = np.where(inside, share / max(1, inside.sum()), (1 - share) / max(1, (~inside).sum()))
    degree_km = EARTH_RADIUS_KM * np.pi / 180
    return LossMap(
        latitudes=latitudes,
        longitudes=longitudes,
        loss_db=loss - spec.propagation.rx_antenna_gain_dbi,
        distance_km=distance,
        log_prior=np.log(np.maximum(prior, 1e-12)),
        cell_km=degree_km * (north - south + 2 * margin) / rows,
    )
