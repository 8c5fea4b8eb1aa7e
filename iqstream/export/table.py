"""The columns of an export, and of `iqstream stream --format arrow`: names, types, units, what they may be used for."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from iqstream.dataset.batch import Batch
from schemas import FEATURE_TABLE, STATISTICS

Role: TypeAlias = Literal["id", "input", "label", "quality", "truth"]
"""`input` is what a receiver network knows. Learning from the others would leak the label: gdop is made from it, and
`truth` is what the generator put in.
"""
Table: TypeAlias = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. Text columns have a width, as NumPy needs it."""

    name: str
    dtype: str
    role: Role
    unit: str = ""
    """`1` for a plain number; empty where the values are no quantity."""
    meaning: str = ""


_FEATURE_COLUMNS: tuple[Column, ...] = tuple(
    Column(
        name=f"{feature.name}_{statistic}",
        dtype="f8",
        role="input",
        unit=feature.unit_of(statistic),
        meaning=f"{statistic} over the chunks of: {feature.definition}",
    )
    for feature in FEATURE_TABLE.values()
    for statistic in STATISTICS
)
FEATURE_COLUMNS: tuple[str, ...] = tuple(column.name for column in _FEATURE_COLUMNS)
COLUMNS: tuple[Column, ...] = (
    Column(name="dataset_id", dtype="U36", role="id"),
    Column(name="dataset_version", dtype="i4", role="id"),
    Column(name="sample_idx", dtype="i4", role="id"),
    Column(name="outcome", dtype="U8", role="quality", meaning="accepted or rejected"),
    Column(name="reason", dtype="U17", role="quality", meaning="why it was rejected"),
    Column(name="split_random", dtype="U10", role="id", meaning="by hash of the recordings' content and the sample"),
    Column(name="split_spatial", dtype="U10", role="id", meaning="by hash of the 5 km block of the transmitter"),
    Column(name="split_receiver_holdout", dtype="U10", role="id", meaning="of this row's receiver"),
    Column(
        name="captured_at_ns",
        dtype="i8",
        role="id",
        unit="ns",
        meaning="since 1970-01-01 UTC; 0 where it is not stored",
    ),
    Column(name="tx_latitude", dtype="f8", role="label", unit="degree"),
    Column(name="tx_longitude", dtype="f8", role="label", unit="degree"),
    Column(name="tx_altitude_m", dtype="f8", role="label", unit="m", meaning="of the ground"),
    Column(name="inside_network", dtype="i1", role="quality", meaning="1 or 0; -1 where it is unknown"),
    Column(name="mean_snr_db", dtype="f8", role="quality", unit="dB", meaning="over the receivers that detected"),
    Column(
        name="overall_confidence",
        dtype="f8",
        role="quality",
        unit="1",
        meaning="mean confidence_score of the receivers that detected",
    ),
    Column(name="num_receivers_detected", dtype="i2", role="quality"),
    Column(
        name="gdop", dtype="f8", role="quality", unit="1", meaning="made from the transmitter's place: not an input"
    ),
    Column(
        name="weight",
        dtype="f8",
        role="quality",
        unit="1",
        meaning="undoes the selection by distance; mean 1; rejected: 0",
    ),
    Column(name="rx_id", dtype="U64", role="input"),
    Column(name="rx_latitude", dtype="f8", role="input", unit="degree"),
    Column(name="rx_longitude", dtype="f8", role="input", unit="degree"),
    Column(name="rx_altitude_m", dtype="f8", role="input", unit="m", meaning="of the ground"),
    Column(name="rx_antenna_height_m", dtype="f8", role="input", unit="m", meaning="above the ground"),
    Column(name="detected", dtype="?", role="input", meaning="this receiver heard the transmission"),
    *_FEATURE_COLUMNS,
)
TRUTH_COLUMNS: tuple[Column, ...] = tuple(
    Column(name=name, dtype=dtype, role="truth", unit=unit, meaning=meaning)
    for name, dtype, unit, meaning in (
        ("truth_tx_eirp_dbm", "f8", "dBm", "equivalent isotropically radiated power"),
        ("truth_tx_power_dbm", "f8", "dBm", "into the transmitter's antenna"),
        ("truth_tx_antenna_height_m", "f8", "m", "above the ground"),
        ("truth_tx_modulation", "U32", "", "nbfm, carrier, am, ssb or 4fsk"),
        ("truth_tx_peak_deviation_hz", "f8", "Hz", "0 where the modulation has none"),
        (
            "truth_tx_frequency_offset_hz",
            "f8",
            "Hz",
            "of the carrier from the window's centre, without oscillator errors",
        ),
        ("truth_distance_km", "f8", "km", "from antenna to antenna"),
        ("truth_path_loss_db", "f8", "dB", "free space, diffraction, clutter and shadowing together"),
        ("truth_free_space_loss_db", "f8", "dB", "of the path loss"),
        ("truth_diffraction_loss_db", "f8", "dB", "of the path loss"),
        ("truth_clutter_loss_db", "f8", "dB", "of the path loss"),
        ("truth_shadowing_db", "f8", "dB", "of the path loss; negative where it is less"),
        ("truth_mean_signal_dbm", "f8", "dBm", "at the receiver, mean over fading"),
        ("truth_noise_dbm", "f8", "dBm", "in the recorded bandwidth"),
        ("truth_mean_snr_db", "f8", "dB", "in the recorded bandwidth, mean over fading"),
        ("truth_arrival_delay_us", "f8", "us", "of the direct path, from transmission on"),
        ("truth_frequency_offset_hz", "f8", "Hz", "of the carrier in this recording, with both oscillators' errors"),
        ("truth_doppler_max_hz", "f8", "Hz", "by the transmitter's speed"),
        ("truth_rician_k_db", "f8", "dB", "of the first tap; empty where it has no direct wave"),
        ("truth_rms_delay_spread_us", "f8", "us", "of the echoes"),
        ("truth_tx_gain_dbi", "f8", "dBi", "of the transmitter's antenna towards the receiver; empty if constant"),
        ("truth_rx_gain_dbi", "f8", "dBi", "of the receiver's antenna towards the transmitter; empty if constant"),
        ("truth_clock_offset_us", "f8", "us", "the receiver's clock ahead of the true time at the first sample"),
        ("truth_clock_rate_ppm", "f8", "ppm", "the receiver's clock is fast"),
    )
)
"""What the generator put in. It is drawn again from the spec, so only exports that ask for it have it."""
RECORDED_COLUMNS: tuple[Column, ...] = (
    Column(
        name="level_reference",
        dtype="U4",
        role="quality",
        meaning="dbm: levels are powers at the antenna; dbfs: full scale of a receiver without a calibration is 0 dBm",
    ),
)
"""Of datasets of real recordings, and of streams, which may hold some."""
NOT_STREAMED = ("split_random", "split_spatial", "split_receiver_holdout", "weight")
"""Columns of exports alone: a stream has one `split`, and weights need the whole dataset."""
STREAM_COLUMNS: tuple[Column, ...] = (
    *(column for column in COLUMNS if column.name not in NOT_STREAMED),
    Column(name="split", dtype="U10", role="id"),
    *RECORDED_COLUMNS,
)


def table_of_batch(batch: Batch) -> Table:
    """The rows of a streamed batch, one per sample and receiver present, under STREAM_COLUMNS."""
    x, y, meta = batch
    rows, receivers = np.nonzero(x["present"])
    table: Table = {
        name: meta[name][rows]
        for name in (
            "dataset_id", "dataset_version", "sample_idx", "outcome", "reason", "captured_at_ns", "inside_network",
            "mean_snr_db", "overall_confidence", "num_receivers_detected", "gdop", "split", "level_reference",
        )
    }  # fmt: skip
    table |= {name: y[rows, at] for at, name in enumerate(("tx_latitude", "tx_longitude", "tx_altitude_m"))}
    table["rx_id"] = meta["rx_ids"][rows, receivers]
    table["detected"] = x["detected"][rows, receivers]
    for at, name in enumerate(("rx_latitude", "rx_longitude", "rx_altitude_m", "rx_antenna_height_m")):
        table[name] = x["receivers"][rows, receivers, at]
    for at, name in enumerate(FEATURE_COLUMNS):
        table[name] = x["features"][rows, receivers, at]
    return {column.name: table[column.name].astype(column.dtype) for column in STREAM_COLUMNS}
