"""How large a dataset's frames can become on the wire, without making one."""

from typing import Any, Literal, get_args

from schemas import (
    Antennas,
    DatasetSpec,
    Impairments,
    IQFrame,
    LinkTruth,
    ReceiverTruth,
    TransmitterTruth,
    Truth,
    encode,
)
from schemas.dataset import Modulations, ReceivingAntenna, TransmittingAntenna
from schemas.iq_frame import component_dtype

WIDEST_INTEGERS: Literal["ci16_le"] = "ci16_le"
"""What `auto` chooses where a receiver hears the transmitter loudly."""
_LENGTH_BYTES = 5
"""Of msgpack's `bin`: how long the IQ is."""


def largest_frame_bytes(spec: DatasetSpec) -> int:
    """Returns the bytes of the largest frame that a sample of the spec can have, or a few dozen more."""
    frame = largest_frame(spec)
    head = len(encode(frame)) - len(frame.iq)
    sample = 2 * component_dtype(frame.datatype).itemsize
    return head + _LENGTH_BYTES + spec.capture.samples * sample


def largest_frame(spec: DatasetSpec) -> IQFrame:
    """The widest values in every field of a frame of the spec, but for the IQ, of which it has one sample."""
    datatype = spec.datatype if spec.datatype == "cf32_le" else WIDEST_INTEGERS
    chunks = -(-spec.capture.samples // max(1, round(spec.capture.sample_rate_hz * spec.capture.chunk_ms / 1000)))
    return IQFrame(
        dataset_id=spec.dataset_id,
        dataset_version=spec.dataset_version,
        sample_idx=spec.samples - 1,
        generation=2**31 - 1,
        receivers_expected=len(spec.receivers),
        pairs_expected=spec.pairs,
        clock_error_us=spec.clocks.error_us,
        receiver=max(spec.receivers, key=lambda receiver: len(receiver.rx_id)),
        captured_at_ns=2**63 - 1,
        center_frequency_hz=spec.frequency_hz,
        sample_rate_hz=spec.capture.sample_rate_hz,
        chunk_ms=spec.capture.chunk_ms,
        datatype=datatype,
        scale=1.0,
        truth=_widest_truth(spec, chunks),
        iq=memoryview(bytes(2 * component_dtype(datatype).itemsize)),
    )


def _widest_truth(spec: DatasetSpec, chunks: int) -> Truth:
    per_tap, per_chunk = (1.0,) * spec.channel.taps_max, (0.0,) * chunks
    return Truth(
        transmitter=TransmitterTruth(
            latitude=0.0,
            longitude=0.0,
            altitude_m=0.0,
            antenna_height_m=0.0,
            power_dbm=0.0,
            eirp_dbm=0.0,
            inside_network=True,
            modulation=max(get_args(Modulations), key=len),
            peak_deviation_hz=0.0,
            frequency_offset_hz=0.0,
            modulation_depth=0.0,
            sideband="upper",
            mean_power_db=0.0,
            occupied_bandwidth_hz=0.0,
        ),
        link=LinkTruth(
            distance_km=0.0,
            path_loss_db=0.0,
            free_space_loss_db=0.0,
            diffraction_loss_db=0.0,
            clutter_loss_db=0.0,
            shadowing_db=0.0,
            clearance_m=0.0,
            terrain_max_m=0.0,
            mean_signal_dbm=0.0,
            noise_dbm=0.0,
            mean_snr_db=0.0,
            arrival_delay_us=0.0,
            frequency_offset_hz=0.0,
            doppler_max_hz=0.0,
            rician_k_db=0.0,
            tap_delays_us=per_tap,
            tap_powers=per_tap,
            rms_delay_spread_us=0.0,
            signal_dbm=per_chunk,
            noise_realised_dbm=per_chunk,
            snr_db=per_chunk,
            quantisation_noise_dbm=0.0,
            **({} if spec.antennas == Antennas() else _WIDEST_GAINS),
        ),
        receiver=None if spec.impairments == Impairments() and spec.clocks.kind == "ideal" else _WIDEST_RECEIVER,
    )


_WIDEST_GAINS: dict[str, Any] = {
    "tx_antenna": max(get_args(TransmittingAntenna), key=len),
    "tx_gain_dbi": 1.0,
    "rx_antenna": max(get_args(ReceivingAntenna), key=len),
    "rx_gain_dbi": 1.0,
}
_WIDEST_RECEIVER = ReceiverTruth(
    phase_noise_linewidth_hz=0.0,
    iq_gain_error_db=0.0,
    iq_phase_error_deg=0.0,
    image_rejection_db=0.0,
    dc_offset_dbm=0.0,
    dc_phase_deg=0.0,
    clip_level_dbm=0.0,
    clipped_share=0.0,
    clock_offset_us=1.0,
    clock_rate_ppm=1.0,
)
