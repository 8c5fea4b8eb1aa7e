"""The truth that a frame carries: how it was generated."""

from typing import Any

from producer.impairments import Impaired, image_rejection_db
from producer.occupied import Sent
from producer.path import Path
from producer.quantise import Quantised, quantisation_noise_mw
from producer.receiver import Reception, power_dbm
from producer.reproducible import reproducible
from producer.scenario import Scene
from schemas import DatasetSpec, LinkTruth, ReceiverTruth, TransmitterTruth, Truth


def truth_of(
    spec: DatasetSpec,
    scene: Scene,
    sent: Sent,
    path: Path,
    reception: Reception,
    impaired: Impaired | None,
    quantised: Quantised,
) -> Truth:
    """Returns the transmitter, the drawn path and the receiver, with the values realised in one recording."""
    return Truth(
        transmitter=TransmitterTruth(
            **drawn_transmitter(scene, path),
            mean_power_db=sent.mean_power_db,
            occupied_bandwidth_hz=sent.occupied_bandwidth_hz,
        ),
        link=_link_truth(path, reception, quantised),
        receiver=_receiver_truth(spec, path, impaired),
    )


def drawn_transmitter(scene: Scene, path: Path) -> dict[str, Any]:
    """Returns what is true of a transmitter, the same for each of its paths, before anything is sent.

    Fields of `TransmitterTruth`.
    """
    return {
        "latitude": scene.latitude,
        "longitude": scene.longitude,
        "altitude_m": scene.altitude_m,
        "antenna_height_m": scene.antenna_height_m,
        "power_dbm": scene.eirp_dbm - path.gains.tx.strongest_dbi,
        "eirp_dbm": scene.eirp_dbm,
        "inside_network": scene.inside_network,
        "modulation": scene.emission.modulation,
        "peak_deviation_hz": scene.emission.peak_deviation_hz,
        "frequency_offset_hz": scene.frequency_offset_hz,
        "modulation_depth": scene.emission.modulation_depth,
        "sideband": scene.emission.sideband,
    }


def drawn_link(path: Path) -> dict[str, Any]:
    """Returns what is true of a path before anything is heard: fields of `LinkTruth`."""
    tx, rx = path.gains.tx, path.gains.rx
    return {
        "distance_km": path.distance_m / 1000,
        "path_loss_db": reproducible(path.loss.total_db),
        "free_space_loss_db": path.loss.free_space_db,
        "diffraction_loss_db": path.loss.diffraction_db,
        "clutter_loss_db": path.loss.clutter_db,
        "shadowing_db": path.loss.shadowing_db,
        "clearance_m": path.terrain.clearance_m if path.terrain else None,
        "terrain_max_m": path.terrain.highest_m if path.terrain else None,
        "mean_signal_dbm": path.signal_dbm,
        "noise_dbm": path.noise_dbm,
        "mean_snr_db": path.signal_dbm - path.noise_dbm,
        "arrival_delay_us": path.arrival_us,
        "frequency_offset_hz": path.frequency_offset_hz,
        "doppler_max_hz": path.motion.doppler_max_hz,
        "rician_k_db": path.multipath.rician_k_db,
        "tap_delays_us": path.multipath.delays_us,
        "tap_powers": path.multipath.powers,
        "rms_delay_spread_us": reproducible(path.multipath.rms_delay_spread_us),
        "tx_antenna": None if tx.is_constant else tx.kind,
        "tx_gain_dbi": None if tx.is_constant else path.gains.tx_dbi,
        "rx_antenna": None if rx.is_constant else rx.kind,
        "rx_gain_dbi": None if rx.is_constant else path.gains.rx_dbi,
    }


def drawn_clock(path: Path) -> dict[str, Any]:
    """Returns what is true of a receiver's clock: fields of `ReceiverTruth`."""
    return {"clock_offset_us": path.clock.offset_us, "clock_rate_ppm": path.clock.rate_ppm}


def _link_truth(path: Path, reception: Reception, quantised: Quantised) -> LinkTruth:
    unit_mw = path.noise_sigma**2
    signal = tuple(reproducible(power_dbm(power * unit_mw)) for power in reception.signal_powers)
    noise = tuple(reproducible(power_dbm(power * unit_mw)) for power in reception.noise_powers)
    return LinkTruth(
        **drawn_link(path),
        signal_dbm=signal,
        noise_realised_dbm=noise,
        snr_db=tuple(s - n for s, n in zip(signal, noise, strict=True)),
        quantisation_noise_dbm=reproducible(power_dbm(quantisation_noise_mw(quantised))),
    )


def _receiver_truth(spec: DatasetSpec, path: Path, impaired: Impaired | None) -> ReceiverTruth | None:
    """None where nothing is wrong with the receiver."""
    if impaired is None and spec.clocks.kind == "ideal":
        return None
    impairments, offset_turns, clip_level, clipped_share = spec.impairments, 0.0, None, 0.0
    if impaired is not None:
        offset_turns, clip_level, clipped_share = impaired.offset_turns, impaired.clip_level, impaired.clipped_share
    offset_dbm = offset_deg = clip_dbm = None
    if impairments.dc_offset_db is not None:
        offset_dbm = path.noise_dbm + impairments.dc_offset_db
        offset_deg = 360 * offset_turns
    if clip_level is not None:
        clip_dbm = reproducible(power_dbm((clip_level * path.noise_sigma) ** 2))
    return ReceiverTruth(
        phase_noise_linewidth_hz=impairments.phase_noise_linewidth_hz,
        iq_gain_error_db=impairments.iq_gain_error_db,
        iq_phase_error_deg=impairments.iq_phase_error_deg,
        image_rejection_db=image_rejection_db(impairments.iq_gain_error_db, impairments.iq_phase_error_deg),
        dc_offset_dbm=offset_dbm,
        dc_phase_deg=offset_deg,
        clip_level_dbm=clip_dbm,
        clipped_share=clipped_share,
        **drawn_clock(path),
    )
