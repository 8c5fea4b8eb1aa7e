"""The features, each with its unit, definition, range and goals, and the 4 statistics.

The order is that of every array and record. A feature is appended, never moved or removed: records of every version of
`feature_record` hold the first so many.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

GOAL_CHUNK_SAMPLES = 40_000
"""The goals are for chunks of this length or longer."""
GOAL_OCCUPANCY = 0.4
"""Share of the bandwidth up to which a signal may be wide for the goal of the noise floor."""
FADING_ALLOWANCE = 0.5
"""Share of a path's maximum Doppler shift that a fading channel adds to the goal for the frequency."""
NBFM, TONE, FLAT, NOISE = "narrow-band FM", "tone", "flat band", "noise alone"
NBFM_RECORDING = f"{NBFM}, mean over a recording"
BAND = f"all but a {TONE}"
BESIDE_NOISE = f"up to {100 * GOAL_OCCUPANCY:g} % of the bandwidth occupied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a feature's accuracy shall be: `measure` no more (or no less) than a limit."""

    measure: str
    limits: tuple[tuple[float, float], ...]
    """SNR in dB (full bandwidth) from which a limit holds, and the limit."""
    unit: str = ""
    of: str = ""
    """The signals it is for; empty: all."""

    def at(self, snr_db: float = math.inf) -> float | None:
        """The limit at an SNR; None below the first."""
        return next((limit for start_db, limit in reversed(self.limits) if snr_db >= start_db), None)

    @property
    def limit(self) -> float:
        """The limit at the highest SNR: the only one, where there is one."""
        return self.limits[-1][1]

    @property
    def from_db(self) -> float:
        """The SNR from which there is a limit."""
        return self.limits[0][0]

    @property
    def text(self) -> str:
        """As one reads it: `narrow-band FM: RMS error <= 40 / 20 Hz from -5 / 0 dB SNR`."""
        figures = " / ".join(f"{limit:g}" for _, limit in self.limits)
        starts = " / ".join("any" if math.isinf(start_db) else f"{start_db:g}" for start_db, _ in self.limits)
        return (
            (f"{self.of}: " if self.of else "")
            + f"{self.measure} {figures}"
            + (f" {self.unit}" if self.unit else "")
            + ("" if starts == "any" else f" from {starts} dB SNR")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """A feature of a chunk. Its mean, minimum and maximum over the chunks have the same unit and range."""

    name: str
    unit: str
    """`1` for a plain number."""
    definition: str
    low: float
    high: float = math.inf
    of_rate: bool = False
    """The range is in multiples of the sample rate."""
    silent: float
    """Of a chunk of silence: mean power of 1e-30 mW (-300 dBm) or less."""
    needs_signal: bool = False
    """A chunk in which no signal is detected has the value of silence; otherwise it is measured all the same."""
    source: str
    goals: tuple[Goal, ...] = ()
    since: int = 1
    """The first version of `feature_record` that holds it."""

    @property
    def undetected(self) -> str:
        """What a chunk reads in which no signal is detected, as text."""
        return f"{self.silent:g}" if self.needs_signal else "as measured"

    @property
    def difference_unit(self) -> str:
        """Of an error or a standard deviation: levels in dBm differ by dB."""
        return "dB" if self.unit.startswith("dBm") else self.unit

    def unit_of(self, statistic: str) -> str:
        """The unit of one of STATISTICS."""
        return self.difference_unit if statistic == "std" else self.unit

    def bounds(self, sample_rate_hz: float) -> tuple[float, float]:
        """Lowest and highest value that a chunk can have, in the feature's unit."""
        scale = sample_rate_hz if self.of_rate else 1.0
        return self.low * scale, self.high * scale

    def goal(self, of: str = "") -> Goal:
        """The goal for these signals. Raises StopIteration where there is none."""
        return next(goal for goal in self.goals if goal.of == of)


_ANY = -math.inf
_CALIBRATED = Goal(measure="expected calibration error <=", limits=((_ANY, 0.05),))
_RMS = "RMS error <="

_TABLE: tuple[Feature, ...] = (
    Feature(
        name="rssi_dbm",
        unit="dBm",
        definition="10 log10 of the mean of |x|^2, which is in mW: signal and noise in the full bandwidth",
        low=-300.0,
        silent=-300.0,
        source="definition",
        goals=(Goal(measure=_RMS, limits=((_ANY, 0.01),), unit="dB"),),
    ),
    Feature(
        name="snr_db",
        unit="dB",
        definition="power of the strongest band less the noise under it, over the noise in the full bandwidth; without "
        "a detected signal that of the strongest 9 bins of the spectrum, about -30 dB",
        low=-60.0,
        silent=-60.0,
        source="(P - N) / N, with N as in `noise_floor_dbm`",
        goals=(Goal(measure=_RMS, limits=((-5.0, 0.12), (0.0, 0.08), (10.0, 0.06)), unit="dB"),),
    ),
    Feature(
        name="noise_floor_dbm",
        unit="dBm",
        definition="noise power in the full bandwidth: mean of the spectrum's bins that no signal occupies",
        low=-300.0,
        silent=-300.0,
        source="mask of bins 3.5 sigma above the floor, widened by 12 bins",
        goals=(Goal(of=BESIDE_NOISE, measure=_RMS, limits=((_ANY, 0.05), (40.0, 0.1)), unit="dB"),),
    ),
    Feature(
        name="frequency_offset_hz",
        unit="Hz",
        definition="frequency of the carrier from the centre of the capture, measured by the class of the band: peak "
        "of a line, cycles of a constant envelope, centroid, or middle of the edges",
        low=-0.5,
        high=0.5,
        of_rate=True,
        silent=0.0,
        needs_signal=True,
        source="Candan 2013 (line), [ADR 20](adr/0020-frequency-of-fm-by-counting-cycles.md) (cycles)",
        goals=(
            Goal(of=TONE, measure="RMS error over the Cramer-Rao bound <=", limits=((_ANY, 2.0),)),
            Goal(
                of=NBFM,
                measure=_RMS,
                limits=((-5.0, 40.0), (0.0, 20.0), (10.0, 8.0), (20.0, 3.0)),
                unit="Hz",
            ),
            Goal(of=FLAT, measure="RMS error over its width <=", limits=((_ANY, 0.007),)),
        ),
    ),
    Feature(
        name="bandwidth_hz",
        unit="Hz",
        definition="99 % occupied bandwidth of the strongest band, noise subtracted",
        low=0.0,
        high=1.0,
        of_rate=True,
        silent=0.0,
        needs_signal=True,
        source="ITU-R SM.328, SM.443",
        goals=(Goal(of=BAND, measure=_RMS, limits=((-5.0, 6.0), (0.0, 3.5), (10.0, 2.5)), unit="% of the truth"),),
    ),
    Feature(
        name="psd_dbm_per_hz",
        unit="dBm/Hz",
        definition="highest bin of the power spectral density: Hann segments of 2048 samples (fewer in a short chunk) "
        "that overlap by half",
        low=-390.0,
        silent=-300.0,
        source="Welch 1967",
    ),
    Feature(
        name="spectral_centroid_hz",
        unit="Hz",
        definition="centroid of all occupied bands together, from the centre of the capture, noise subtracted",
        low=-0.5,
        high=0.5,
        of_rate=True,
        silent=0.0,
        needs_signal=True,
        source="first moment of the spectrum",
    ),
    Feature(
        name="spectral_rolloff_hz",
        unit="Hz",
        definition="half-width around the centroid that holds 85 % of the signal energy",
        low=0.0,
        high=1.0,
        of_rate=True,
        silent=0.0,
        needs_signal=True,
        source="definition; two-sided, so that it does not depend on where the signal lies",
    ),
    Feature(
        name="envelope_mean",
        unit="1",
        definition="mean of |x| over the rms of x: 1 for a carrier, 0.886 for noise",
        low=0.0,
        high=1.0,
        silent=0.0,
        source="definition; Rayleigh: sqrt(pi) / 2",
    ),
    Feature(
        name="envelope_std",
        unit="1",
        definition="standard deviation of |x| over the rms of x: 0 for a carrier, 0.463 for noise",
        low=0.0,
        high=1.0,
        silent=0.0,
        source="definition; Rayleigh: sqrt(1 - pi / 4)",
    ),
    Feature(
        name="envelope_max",
        unit="1",
        definition="99.9th percentile of |x| over the rms of x: 1 for a carrier, 2.63 for noise",
        low=0.0,
        high=math.sqrt(1000.0),
        silent=0.0,
        source="definition; Rayleigh: sqrt(ln 1000)",
    ),
    Feature(
        name="peak_to_avg_ratio_db",
        unit="dB",
        definition="10 log10 of the largest |x|^2 over the mean of |x|^2",
        low=0.0,
        silent=0.0,
        source="definition",
    ),
    Feature(
        name="zero_crossing_rate",
        unit="1/sample",
        definition="sign changes of Re x per step from one IQ sample to the next: 0.5 for noise",
        low=0.0,
        high=1.0,
        silent=0.0,
        source="definition",
    ),
    Feature(
        name="multipath_delay_spread_us",
        unit="us",
        definition="rms delay spread of the channel, from the power ripple that it makes of frequency modulation; 0 "
        "where nothing identifies it (no FM, varying envelope)",
        low=0.0,
        silent=0.0,
        needs_signal=True,
        source="[ADR 22](adr/0022-delay-spread-and-its-bound.md)",
        goals=(
            Goal(
                of=NBFM_RECORDING,
                measure="share of the best constant's RMS error that is saved >=",
                limits=((20.0, 0.3),),
            ),
        ),
    ),
    Feature(
        name="coherence_bandwidth_khz",
        unit="kHz",
        definition="1 / (5 tau) of the delay spread tau, with tau at least 0.05 us",
        low=0.0,
        high=4000.0,
        silent=4000.0,
        needs_signal=True,
        source="frequency correlation of 0.5: Rappaport 2002, section 5.4.2",
    ),
    Feature(
        name="delay_spread_confidence",
        unit="1",
        definition="probability that the delay spread is within 0.3 us of the channel's; 0 where nothing identifies it",
        low=0.0,
        high=1.0,
        silent=0.0,
        needs_signal=True,
        source="[ADR 23](adr/0023-delay-confidence.md)",
        goals=(_CALIBRATED,),
    ),
    Feature(
        name="confidence_score",
        unit="1",
        definition="probability that the SNR is right to 1 dB and the frequency offset to 50 Hz",
        low=0.0,
        high=1.0,
        silent=0.0,
        needs_signal=True,
        source="standard errors of both, scaled by class; `benchmarks/calibrate_confidence.py`",
        goals=(_CALIBRATED,),
    ),
    Feature(
        name="signal_present",
        unit="1",
        definition="1 where the spectrum, smoothed over 9 or 45 bins, rises above what noise alone does, else 0; its "
        "mean is the share of such chunks",
        low=0.0,
        high=1.0,
        silent=0.0,
        needs_signal=True,
        source="Wilson and Hilferty 1931, thresholds on 40,000 samples of noise",
        goals=(
            Goal(of=NOISE, measure="share of false alarms <=", limits=((_ANY, 0.003),)),
            Goal(of=NBFM, measure="share detected >=", limits=((-20.0, 0.99),)),
            Goal(of=TONE, measure="share detected >=", limits=((-24.0, 0.99),)),
            Goal(of=f"{FLAT} of 50 kHz", measure="share detected >=", limits=((-13.0, 0.99),)),
            Goal(of=f"{FLAT} of 120 kHz", measure="share detected >=", limits=((-8.0, 0.99),)),
        ),
    ),
)
FEATURE_TABLE: Mapping[str, Feature] = {feature.name: feature for feature in _TABLE}
"""The features by their names."""
FEATURE_NAMES: tuple[str, ...] = tuple(FEATURE_TABLE)
STATISTICS: tuple[str, ...] = ("mean", "std", "min", "max")
FEATURES_OF_VERSION: Mapping[int, int] = {
    version: sum(feature.since <= version for feature in _TABLE)
    for version in range(1, max(feature.since for feature in _TABLE) + 1)
}
"""How many features a record of each version of `feature_record` holds: the first so many."""
