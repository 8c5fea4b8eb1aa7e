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
_EDGES = "half a percent of the energy drowns in the noise of the bins that hold it"
_CARRIER = "half a percent of the energy is a large part of the side bands"
_UNDER = "the noise under the band is known from the free 40 % only"
_CLICKS = "Rice's clicks: the filter of 25 kHz leaves 4 dB"
NOT_REACHED: dict[tuple[str, str, float], str] = {
    ("bandwidth_hz", "voice FM 2.5 kHz", -5.0): _EDGES,
    ("bandwidth_hz", "voice FM 2.5 kHz", 0.0): _EDGES,
    ("bandwidth_hz", "voice FM 5 kHz", -5.0): _EDGES,
    ("bandwidth_hz", "voice FM 5 kHz", 0.0): _EDGES,
    ("bandwidth_hz", "Gaussian FM 25 kHz", -5.0): _EDGES,
    ("bandwidth_hz", "voice AM", -5.0): _CARRIER,
    ("bandwidth_hz", "voice AM", 0.0): _CARRIER,
    ("bandwidth_hz", "voice AM", 10.0): _CARRIER,
    ("frequency_offset_hz", "Gaussian FM 25 kHz", -5.0): _CLICKS,
    ("snr_db", "flat 120 kHz", -5.0): _UNDER,
}


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
