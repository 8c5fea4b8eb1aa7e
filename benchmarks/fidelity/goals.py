"""The goals of the feature table, by feature, signal and SNR; RMS errors over 40,000 samples."""

from benchmarks.fidelity.signals import KINDS

# Goals that the campaign misses, each with the reason; the bound stands beside the figure in the table.
NOT_REACHED: dict[tuple[str, str, float], str] = {}


def goal_of(feature: str, signal: str, snr_db: float) -> float | None:
    """The goal, in the unit of the feature's error; None where the design sets none."""
    kind = KINDS[signal]
    if feature == "noise_floor_dbm":
        if kind.occupancy > 0.41:
            return None
        return 0.1 if snr_db >= 40.0 else 0.05
    if feature == "snr_db":
        return _by_snr(snr_db, 0.12, 0.08, 0.06)
    if feature == "bandwidth_hz":
        return None if kind.family == "tone" else _by_snr(snr_db, 6.0, 3.5, 2.5)
    if feature == "frequency_offset_hz":
        if kind.family == "NBFM":
            return 40.0 if snr_db < 0 else 20.0 if snr_db < 10 else 8.0 if snr_db < 20 else 3.0
        if kind.family == "flat":
            return 0.007 * kind.occupancy * 200e3
    return None


def _by_snr(snr_db: float, at_minus_5: float, at_0: float, from_10: float) -> float:
    return at_minus_5 if snr_db < 0 else at_0 if snr_db < 10 else from_10
