"""Which goals of the feature table apply to the campaign's signals, and which are missed."""

from benchmarks.fidelity import bounds
from benchmarks.fidelity.signals import CHUNK, KINDS, RATE_HZ
from schemas import FEATURE_TABLE
from schemas.features import BAND, BESIDE_NOISE, FLAT, GOAL_OCCUPANCY, NBFM, TONE

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
    """Returns the goal, in the unit of the feature's error; None if the table has none."""
    kind = KINDS[signal]
    match feature:
        case "noise_floor_dbm" if kind.occupancy <= GOAL_OCCUPANCY:
            return FEATURE_TABLE[feature].goal(BESIDE_NOISE).at(snr_db)
        case "snr_db":
            return FEATURE_TABLE[feature].goal().at(snr_db)
        case "bandwidth_hz" if kind.family != "tone":
            return FEATURE_TABLE[feature].goal(BAND).at(snr_db)
        case "frequency_offset_hz":
            return _frequency_goal_hz(signal, snr_db)
    return None


def _frequency_goal_hz(signal: str, snr_db: float) -> float | None:
    """Of a tone in bounds, of a flat band in widths, of FM in Hz."""
    kind, goal = KINDS[signal], FEATURE_TABLE["frequency_offset_hz"].goal
    match kind.family:
        case "tone":
            return goal(TONE).limit * bounds.carrier_frequency_hz(10.0 ** (snr_db / 10.0), RATE_HZ, CHUNK)
        case "flat":
            return goal(FLAT).limit * kind.occupancy * RATE_HZ
        case "NBFM":
            return goal(NBFM).at(snr_db)
    return None
