"""The 18 features and the 4 statistics, in the order of every array and record."""

FEATURE_NAMES: tuple[str, ...] = (
    "rssi_dbm",
    "snr_db",
    "noise_floor_dbm",
    "frequency_offset_hz",
    "bandwidth_hz",
    "psd_dbm_per_hz",
    "spectral_centroid_hz",
    "spectral_rolloff_hz",
    "envelope_mean",
    "envelope_std",
    "envelope_max",
    "peak_to_avg_ratio_db",
    "zero_crossing_rate",
    "multipath_delay_spread_us",
    "coherence_bandwidth_khz",
    "delay_spread_confidence",
    "confidence_score",
    "signal_present",
)
STATISTICS: tuple[str, ...] = ("mean", "std", "min", "max")
