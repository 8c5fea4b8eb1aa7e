"""The goals of the feature table, by feature, signal and SNR; RMS errors over 40,000 samples."""

from benchmarks.fidelity.signals import KINDS, RATE_HZ

# The goal from this SNR on.
Steps = tuple[tuple[float, float], ...]
NOISE_FLOOR_DB: Steps = ((-5.0, 0.05), (40.0, 0.1))
SNR_DB: Steps = ((-5.0, 0.12), (0.0, 0.08), (10.0, 0.06))
BANDWIDTH_PERCENT: Steps = ((-5.0, 6.0), (0.0, 3.5), (10.0, 2.5))
NBFM_HZ: Steps = ((-5.0, 40.0), (0.0, 20.0), (10.0, 8.0), (20.0, 3.0))
FLAT_SHARE = 0.007
LARGEST_OCCUPANCY = 0.41

# Goals that the campaign misses, each with the reason; the bound stands beside the figure in the table.
NOT_REACHED: dict[tuple[str, str, float], str] = {}


def goal_of(feature: str, signal: str, snr_db: float) -> float | None:
    """The goal, in the unit of the feature's error; None where the design sets none."""
    kind = KINDS[signal]
    goals: dict[str, float | None] = {
        "noise_floor_dbm": _at(NOISE_FLOOR_DB, snr_db) if kind.occupancy < LARGEST_OCCUPANCY else None,
        "snr_db": _at(SNR_DB, snr_db),
        "bandwidth_hz": None if kind.family == "tone" else _at(BANDWIDTH_PERCENT, snr_db),
        "frequency_offset_hz": {
            "NBFM": _at(NBFM_HZ, snr_db),
            "flat": FLAT_SHARE * kind.occupancy * RATE_HZ,
        }.get(kind.family),
    }
    return goals.get(feature)


def _at(steps: Steps, snr_db: float) -> float:
    return [goal for start_db, goal in steps if snr_db >= start_db][-1]
