"""The way from the transmitter to each receiver: budget, echoes, motion, frequency."""

import math
from dataclasses import dataclass

from producer.channel import Bundle, bundle_taps
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
from producer.propagation import PathLoss, path_loss
from producer.reproducible import reproducible
from producer.scenario import Scene, oscillator_offset_hz
from producer.shadowing import draw_shadowing_db
from producer.streams import Purpose, scalar_stream
from producer.waveform import waveform_rate_hz
from schemas import DatasetSpec, Receiver


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The way to one receiver."""

    number: int
    receiver: Receiver
    distance_m: float
    loss: PathLoss
    arrival_us: float
    signal_dbm: float
    noise_dbm: float
    frequency_offset_hz: float
    multipath: Multipath
    motion: Motion
    bundles: tuple[Bundle, ...]

    @property
    def noise_sigma(self) -> float:
        """Standard deviation of one component of the noise, sqrt(mW)."""
        return reproducible(math.sqrt(10 ** (self.noise_dbm / 10) / 2))

    @property
    def mean_power(self) -> float:
        """Mean signal power over fading, in units of one noise component's variance."""
        return reproducible(2 * 10 ** ((self.signal_dbm - self.noise_dbm) / 10))


def draw_paths(spec: DatasetSpec, sample_idx: int, scene: Scene) -> tuple[Path, ...]:
    """The link budget and the echoes of every receiver."""
    shadowing_db = draw_shadowing_db(
        spec.receivers,
        sigma_db=spec.propagation.shadowing_sigma_db,
        decorrelation_km=spec.propagation.shadowing_decorrelation_km,
        stream=scalar_stream(spec.seed, sample_idx, Purpose.SHADOWING),
    )
    return tuple(
        _draw_path(spec, sample_idx, scene, number, shadowing) for number, shadowing in enumerate(shadowing_db)
    )


def _draw_path(spec: DatasetSpec, sample_idx: int, scene: Scene, number: int, shadowing_db: float) -> Path:
    receiver = spec.receivers[number]
    place = (scene.latitude, scene.longitude, receiver.latitude, receiver.longitude)
    rise_m = receiver.altitude_m + receiver.antenna_height_m - scene.altitude_m - scene.antenna_height_m
    distance_m = reproducible(slant_distance_m(ground_distance_m(*place), rise_m))
    loss = path_loss(frequency_hz=spec.frequency_hz, distance_m=distance_m, shadowing_db=shadowing_db)
    arrival_us = reproducible(time_of_flight_us(distance_m))
    noise = noise_dbm(
        spec.frequency_hz,
        spec.capture.sample_rate_hz,
        spec.propagation.noise_figure_db,
        spec.propagation.environment,
    )
    multipath = draw_multipath(spec.channel, scalar_stream(spec.seed, sample_idx, Purpose.TAPS, number))
    oscillator = scalar_stream(spec.seed, sample_idx, Purpose.OSCILLATOR, number)
    doppler_hz = scene.speed_m_s * spec.frequency_hz / SPEED_OF_LIGHT_M_S
    direct_hz = reproducible(doppler_hz * math.cos(scene.heading_rad - bearing_rad(*place)))
    signal = scene.eirp_dbm + spec.propagation.rx_antenna_gain_dbi - loss.total_db
    return Path(
        number=number,
        receiver=receiver,
        distance_m=distance_m,
        loss=loss,
        arrival_us=arrival_us,
        signal_dbm=reproducible(signal),
        noise_dbm=reproducible(noise),
        frequency_offset_hz=scene.frequency_offset_hz
        + scene.oscillator_offset_hz
        - oscillator_offset_hz(spec, oscillator),
        multipath=multipath,
        motion=Motion(doppler_max_hz=doppler_hz, direct_doppler_hz=direct_hz),
        bundles=bundle_taps(multipath, arrival_us, waveform_rate_hz(spec.capture.sample_rate_hz)),
    )
