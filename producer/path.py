"""The path from the transmitter to each receiver: link budget, echoes, motion, frequency."""

import math
from dataclasses import dataclass

from producer.antennas import Antenna, Gains, draw_receiving, draw_transmitting, gains_along
from producer.channel import Bundle, bundle_taps
from producer.clock import Clock, draw_clock
from producer.clutter import clutter_loss_db
from producer.fading import Motion
from producer.geometry import (
    SPEED_OF_LIGHT_M_S,
    bearing_rad,
    ground_distance_m,
    slant_distance_m,
    time_of_flight_us,
)
from producer.multipath import Multipath, draw_multipath
from producer.noise import noise_dbm
from producer.propagation import (
    EARTH_RADIUS_KM,
    MIN_DISTANCE_M,
    PathLoss,
    TerrainLoss,
    free_space_loss_db,
    terrain_loss,
)
from producer.reproducible import reproducible
from producer.scenario import Scene
from producer.shadowing import draw_shadowing_db
from producer.streams import Purpose, scalar_stream
from producer.terrain import Ground, Profile, profile
from producer.waveform import waveform_rate_hz
from schemas import DatasetSpec, Receiver


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The path to one receiver."""

    number: int
    receiver: Receiver
    distance_m: float
    loss: PathLoss
    terrain: TerrainLoss | None
    """None where the dataset has no terrain."""
    arrival_us: float
    gains: Gains
    signal_dbm: float
    noise_dbm: float
    frequency_offset_hz: float
    clock: Clock
    multipath: Multipath
    motion: Motion
    bundles: tuple[Bundle, ...]

    @property
    def stamped_arrival_us(self) -> float:
        """When the first tap arrives by the receiver's clock, at the first sample."""
        return self.arrival_us + self.clock.offset_us

    @property
    def noise_sigma(self) -> float:
        """Standard deviation of one component of the noise, sqrt(mW)."""
        return reproducible(math.sqrt(10 ** (self.noise_dbm / 10) / 2))

    @property
    def mean_power(self) -> float:
        """Mean signal power over fading, in units of one noise component's variance."""
        return reproducible(2 * 10 ** ((self.signal_dbm - self.noise_dbm) / 10))


def draw_paths(spec: DatasetSpec, sample_idx: int, scene: Scene, ground: Ground) -> tuple[Path, ...]:
    """Returns the path to every receiver: the link budget over terrain, and the echoes."""
    shadowing_db = draw_shadowing_db(
        spec.receivers,
        sigma_db=spec.propagation.shadowing_sigma_db,
        decorrelation_km=spec.propagation.shadowing_decorrelation_km,
        stream=scalar_stream(spec.seed, sample_idx, Purpose.SHADOWING),
    )
    transmitting = draw_transmitting(spec, sample_idx)
    return tuple(
        _draw_path(spec, sample_idx, scene, transmitting, ground, number, shadowing)
        for number, shadowing in enumerate(shadowing_db)
    )


def _draw_path(
    spec: DatasetSpec,
    sample_idx: int,
    scene: Scene,
    transmitting: Antenna,
    ground: Ground,
    number: int,
    shadowing_db: float,
) -> Path:
    receiver = spec.receivers[number]
    place = (scene.latitude, scene.longitude, receiver.latitude, receiver.longitude)
    rise_m = receiver.altitude_m + receiver.antenna_height_m - scene.altitude_m - scene.antenna_height_m
    distance_m = reproducible(slant_distance_m(ground_distance_m(*place), rise_m))
    terrain = _terrain_loss(spec, scene, receiver, ground)
    loss = PathLoss(
        free_space_db=reproducible(free_space_loss_db(spec.frequency_hz, max(distance_m, MIN_DISTANCE_M))),
        diffraction_db=terrain.diffraction_db if terrain else 0.0,
        clutter_db=_clutter_loss_db(spec, scene.antenna_height_m, receiver.antenna_height_m),
        shadowing_db=shadowing_db,
    )
    arrival_us = reproducible(time_of_flight_us(distance_m))
    noise = noise_dbm(
        spec.frequency_hz,
        spec.capture.sample_rate_hz,
        spec.propagation.noise_figure_db,
        spec.propagation.environment,
    )
    multipath = draw_multipath(spec.channel, scalar_stream(spec.seed, sample_idx, Purpose.TAPS, number))
    clock = draw_clock(spec, sample_idx, number)
    doppler_hz = scene.speed_m_s * spec.frequency_hz / SPEED_OF_LIGHT_M_S
    direct_hz = reproducible(doppler_hz * math.cos(scene.heading_rad - bearing_rad(*place)))
    gains = gains_along(
        transmitting,
        draw_receiving(spec, number),
        place,
        distance_m=distance_m,
        rise_m=rise_m,
        earth_radius_m=1000 * EARTH_RADIUS_KM * spec.propagation.effective_earth_factor,
    )
    signal = scene.eirp_dbm + gains.tx_pattern_db + gains.rx_dbi - loss.total_db
    middle_us = arrival_us + clock.offset_us + clock.rate_ppm * spec.capture.capture_ms / 2000
    return Path(
        number=number,
        receiver=receiver,
        distance_m=distance_m,
        loss=loss,
        terrain=terrain,
        arrival_us=arrival_us,
        gains=gains,
        signal_dbm=reproducible(signal),
        noise_dbm=reproducible(noise),
        frequency_offset_hz=(scene.frequency_offset_hz + scene.oscillator_offset_hz - clock.carrier_hz)
        * (1 - clock.rate_ppm * 1e-6),
        clock=clock,
        multipath=multipath,
        motion=Motion(doppler_max_hz=doppler_hz, direct_doppler_hz=direct_hz),
        bundles=bundle_taps(multipath, middle_us, waveform_rate_hz(spec.capture.sample_rate_hz)),
    )


def _terrain_loss(spec: DatasetSpec, scene: Scene, receiver: Receiver, ground: Ground) -> TerrainLoss | None:
    if spec.terrain.source == "none":
        return None
    return terrain_loss(
        path_profile(spec, scene, receiver, ground),
        tx_height_m=scene.antenna_height_m,
        rx_height_m=receiver.antenna_height_m,
        frequency_hz=spec.frequency_hz,
        effective_earth_factor=spec.propagation.effective_earth_factor,
    )


def path_profile(spec: DatasetSpec, scene: Scene, receiver: Receiver, ground: Ground) -> Profile:
    """Returns the ground between a transmitter and a receiver."""
    return profile(
        ground,
        (scene.latitude, scene.longitude, scene.altitude_m),
        (receiver.latitude, receiver.longitude, receiver.altitude_m),
        step_m=spec.terrain.profile_step_m,
    )


def _clutter_loss_db(spec: DatasetSpec, *antenna_heights_m: float) -> float:
    ends = [clutter_loss_db(height_m, spec.frequency_hz, spec.propagation.clutter) for height_m in antenna_heights_m]
    return reproducible(sum(ends))
