"""What a frame says of how it was made."""

from producer.path import Path
from producer.quantise import Quantised, quantisation_noise_mw
from producer.receiver import Reception, power_dbm
from producer.reproducible import reproducible
from producer.scenario import Scene
from schemas import DatasetSpec, LinkTruth, TransmitterTruth, Truth


def truth_of(spec: DatasetSpec, scene: Scene, path: Path, reception: Reception, quantised: Quantised) -> Truth:
    """The transmitter, the drawn path, and what was realised of both in one recording."""
    return Truth(transmitter=_transmitter_truth(spec, scene), link=_link_truth(path, reception, quantised))


def _transmitter_truth(spec: DatasetSpec, scene: Scene) -> TransmitterTruth:
    return TransmitterTruth(
        latitude=scene.latitude,
        longitude=scene.longitude,
        altitude_m=scene.altitude_m,
        antenna_height_m=scene.antenna_height_m,
        power_dbm=scene.eirp_dbm - spec.scenario.tx_antenna_gain_dbi,
        eirp_dbm=scene.eirp_dbm,
        inside_network=scene.inside_network,
        modulation=spec.scenario.modulation,
        peak_deviation_hz=scene.peak_deviation_hz,
        frequency_offset_hz=scene.frequency_offset_hz,
    )


def _link_truth(path: Path, reception: Reception, quantised: Quantised) -> LinkTruth:
    unit_mw = path.noise_sigma**2
    signal = tuple(reproducible(power_dbm(power * unit_mw)) for power in reception.signal_powers)
    noise = tuple(reproducible(power_dbm(power * unit_mw)) for power in reception.noise_powers)
    return LinkTruth(
        distance_km=path.distance_m / 1000,
        path_loss_db=reproducible(path.loss.total_db),
        free_space_loss_db=path.loss.free_space_db,
        diffraction_loss_db=path.loss.diffraction_db,
        clutter_loss_db=path.loss.clutter_db,
        shadowing_db=path.loss.shadowing_db,
        clearance_m=path.terrain.clearance_m if path.terrain else None,
        terrain_max_m=path.terrain.highest_m if path.terrain else None,
        mean_signal_dbm=path.signal_dbm,
        noise_dbm=path.noise_dbm,
        mean_snr_db=path.signal_dbm - path.noise_dbm,
        arrival_delay_us=path.arrival_us,
        frequency_offset_hz=path.frequency_offset_hz,
        doppler_max_hz=path.motion.doppler_max_hz,
        rician_k_db=path.multipath.rician_k_db,
        tap_delays_us=path.multipath.delays_us,
        tap_powers=path.multipath.powers,
        rms_delay_spread_us=reproducible(path.multipath.rms_delay_spread_us),
        signal_dbm=signal,
        noise_realised_dbm=noise,
        snr_db=tuple(s - n for s, n in zip(signal, noise, strict=True)),
        quantisation_noise_dbm=reproducible(power_dbm(quantisation_noise_mw(quantised))),
    )
