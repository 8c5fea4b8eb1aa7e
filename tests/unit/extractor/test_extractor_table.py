"""Units, ranges and values without a signal, as the table of features has them, are those of what is extracted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fidelity import delay
from benchmarks.fidelity.signals import CHUNK, KINDS, RATE_HZ, noise, shifted
from extractor.aggregate import aggregate
from extractor.extract import chunk_features
from extractor.features.confidence import OFFSET_TOLERANCE_HZ, SNR_TOLERANCE_DB
from extractor.features.delay import Delay
from extractor.features.power import POWER_FLOOR_DBM
from extractor.features.snr import SNR_FLOOR_DB
from producer.synthesize import synthesize_sample
from schemas import FEATURE_TABLE, STATISTICS, Capture, Scenario
from schemas.dataset import MODULATIONS
from schemas.iq_frame import SampleRateHz
from tests.producer_specs import variant

UNIT_IN_NAME = {"dbm": "dBm", "db": "dB", "dbm_per_hz": "dBm/Hz", "hz": "Hz", "khz": "kHz", "us": "us"}
IN_SECONDS = ("us", "kHz")
"""Units of what is fitted to channels and audio as they are: other rates are other signals to it."""
PROBABILITIES = ("confidence_score", "delay_spread_confidence")


def rows_of(iq, rate_hz=RATE_HZ, chunk=CHUNK):
    return chunk_features(np.asarray(iq).astype(np.complex64), rate_hz, chunk / rate_hz)


def assert_in_range(rows, rate_hz):
    """Rows (n, features), to the rounding of float32 sums."""
    for feature, values in zip(FEATURE_TABLE.values(), rows.T, strict=True):
        low, high = feature.bounds(rate_hz)
        slack = 1e-5 * max(abs(bound) for bound in (low, high, 1.0) if np.isfinite(bound))
        assert (low - slack <= values).all(), (feature.name, values.min())
        assert (values <= high + slack).all(), (feature.name, values.max())


def assert_unheard(rows):
    """What needs a signal reads as in silence wherever none is present; those rows there are."""
    unheard = rows[rows[:, list(FEATURE_TABLE).index("signal_present")] == 0]
    for feature, values in zip(FEATURE_TABLE.values(), unheard.T, strict=True):
        if feature.needs_signal:
            assert (values == feature.silent).all(), feature.name
    return unheard


def signals(seed):
    """A chunk of every kind at 10 dB."""
    random = np.random.default_rng(seed)
    return [shifted(kind.make(random, CHUNK), 2e4) * 10**0.5 + noise(random) for kind in KINDS.values()]


@pytest.mark.parametrize("name", FEATURE_TABLE)
def test_a_unit_in_a_name_is_the_unit(name):
    ending = max((ending for ending in UNIT_IN_NAME if name.endswith(f"_{ending}")), key=len, default=None)
    unit = FEATURE_TABLE[name].unit
    assert unit == UNIT_IN_NAME.get(ending, unit)
    assert ending is not None or unit in {"1", "1/sample"}


@pytest.mark.parametrize("gain_db", [20.0, -60.0])
def test_a_level_is_in_dbm_and_moves_with_the_gain_and_nothing_else_does(gain_db):
    """IQ times 10 is 20 dB more; ratios, shares, frequencies and every standard deviation stay."""
    plain = np.concatenate(signals(1))
    before, after = (aggregate(rows_of(iq)) for iq in (plain, plain * 10 ** (gain_db / 20)))
    for feature, old, new in zip(FEATURE_TABLE.values(), before, after, strict=True):
        for statistic, was, became in zip(STATISTICS, old, new, strict=True):
            moved = gain_db if feature.unit_of(statistic).startswith("dBm") else 0.0
            # float32: rounding moves a mean of 40,000 samples by about 1e-7 of it.
            assert became - moved == pytest.approx(was, rel=2e-5, abs=5e-4), (feature.name, statistic)


def test_frequencies_are_in_hz_and_densities_per_hz_and_counts_per_sample():
    """The same samples at four times the rate: Hz grow fourfold, dBm/Hz fall by 6 dB, nothing per sample moves."""
    random = np.random.default_rng(2)
    iq = shifted(np.ones(CHUNK), 2e4) * 3 + noise(random)
    (slow,), (fast,) = rows_of(iq), rows_of(iq, 4 * RATE_HZ)
    expected = {
        "Hz": lambda value: 4 * value,
        "1/s": lambda value: 4 * value,
        "dBm/Hz": lambda value: value - 10 * np.log10(4),
    }
    for feature, before, after in zip(FEATURE_TABLE.values(), slow, fast, strict=True):
        if feature.unit in IN_SECONDS or feature.name in PROBABILITIES:
            continue
        assert after == pytest.approx(expected.get(feature.unit, float)(before), rel=1e-9), feature.name


def test_crossings_are_per_sample_and_envelopes_are_not():
    """Every sample twice: half as many sign changes per sample, the same envelope."""
    iq = noise(np.random.default_rng(3))
    (once,), (twice,) = rows_of(iq), rows_of(np.repeat(iq, 2), RATE_HZ, 2 * CHUNK)
    names = list(FEATURE_TABLE)
    for name in ("zero_crossing_rate", "envelope_mean", "envelope_std", "envelope_max"):
        factor = {"1/sample": 0.5, "1": 1.0}[FEATURE_TABLE[name].unit]
        assert twice[names.index(name)] == pytest.approx(factor * once[names.index(name)], rel=1e-3), name


def test_the_delay_spread_is_in_us_and_the_coherence_bandwidth_in_khz():
    """1 us is 200 kHz: the unit of the truth's rms_delay_spread_us and that of 1 / (5 tau)."""
    assert Delay(1.0, 1.0).coherence_bandwidth_khz == pytest.approx(1e-3 / (5 * 1e-6))
    spec = variant(seed=3, capture=Capture(capture_ms=1000, chunk_ms=200))
    truth, measured = [], []
    for frame in synthesize_sample(spec, 0).frames:
        rows = chunk_features(frame.samples(), frame.sample_rate_hz)
        names = list(FEATURE_TABLE)
        seen = rows[rows[:, names.index("delay_spread_confidence")] > 0]
        tau_us, coherence_khz = (
            seen[:, names.index(name)] for name in ("multipath_delay_spread_us", "coherence_bandwidth_khz")
        )
        np.testing.assert_allclose(coherence_khz, 1e-3 / (5e-6 * np.maximum(tau_us, 0.05)), rtol=1e-9)
        if seen.size:
            truth.append(frame.truth.link.rms_delay_spread_us)
            measured.append(tau_us.mean())
    assert np.mean(measured) == pytest.approx(np.mean(truth), rel=0.5)


@pytest.mark.parametrize("level_dbm", [-300.5, -320.0, -1000.0])
def test_silence_reads_as_the_table_says(level_dbm):
    silent = [feature.silent for feature in FEATURE_TABLE.values()]
    np.testing.assert_array_equal(rows_of(np.full(CHUNK, 10 ** (level_dbm / 20))), [silent])
    assert (silent[0], silent[1]) == (POWER_FLOOR_DBM, SNR_FLOOR_DB)


@pytest.mark.parametrize("level_dbm", [-290.0, -120.0, 0.0, 100.0])
def test_in_noise_alone_what_needs_a_signal_reads_as_in_silence(level_dbm):
    random = np.random.default_rng(4)
    rows = rows_of(noise(random, count=100 * CHUNK) * 10 ** (level_dbm / 20))
    unheard = assert_unheard(rows)
    assert len(unheard) >= 97
    for feature, values in zip(FEATURE_TABLE.values(), unheard.T, strict=True):
        # So faint that the density meets the floor of -300: it reads as in silence although it is measured.
        floored = feature.name == "psd_dbm_per_hz" and level_dbm - 10 * np.log10(RATE_HZ) < POWER_FLOOR_DBM
        assert (values == feature.silent).any() == (feature.needs_signal or floored), feature.name
    assert_in_range(rows, RATE_HZ)
    named = dict(zip(FEATURE_TABLE, unheard.T, strict=True))
    np.testing.assert_allclose(named["rssi_dbm"], level_dbm, atol=0.1)
    np.testing.assert_allclose(named["noise_floor_dbm"], level_dbm, atol=0.1)
    assert ((named["snr_db"] > -33) & (named["snr_db"] < -24)).all()
    np.testing.assert_allclose(named["envelope_mean"], 0.886, atol=0.01)
    np.testing.assert_allclose(named["zero_crossing_rate"], 0.5, atol=0.02)


@pytest.mark.parametrize("modulation", MODULATIONS)
def test_every_modulation_keeps_to_the_ranges_heard_or_not(modulation):
    """From 2 MW down to what no receiver hears."""
    unheard = 0
    for seed, eirp_w in enumerate((2e6, 10.0, 1e-3, 1e-9)):
        scenario = Scenario(modulation=modulation, eirp_min_w=eirp_w, eirp_max_w=eirp_w)
        spec = variant(seed=seed, scenario=scenario, capture=Capture(capture_ms=200, chunk_ms=50))
        for frame in synthesize_sample(spec, 0).frames:
            rows = chunk_features(frame.samples(), frame.sample_rate_hz, 0.05)
            assert_in_range(rows, frame.sample_rate_hz)
            unheard += len(assert_unheard(rows))
            for column, statistic in enumerate(STATISTICS):
                if statistic != "std":
                    assert_in_range(aggregate(rows)[None, :, column], frame.sample_rate_hz)
    assert unheard


LARGEST_RATE_HZ = 1e9


def test_the_range_of_the_psd_is_for_the_rates_that_a_frame_may_have():
    assert f"le={LARGEST_RATE_HZ}" in repr(SampleRateHz)
    assert FEATURE_TABLE["psd_dbm_per_hz"].low == POWER_FLOOR_DBM - 10 * np.log10(LARGEST_RATE_HZ)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    kind=st.sampled_from([*KINDS, "noise alone"]),
    seed=st.integers(0, 2**32),
    count=st.integers(1, 12_000),
    level_db=st.floats(-320.0, 380.0),
    snr_db=st.floats(-40.0, 100.0),
    rate_hz=st.floats(1.0, LARGEST_RATE_HZ),
)
def test_values_keep_to_their_ranges_at_any_scale(kind, seed, count, level_db, snr_db, rate_hz):
    random = np.random.default_rng(seed)
    iq = noise(random, count=count)
    if kind in KINDS:
        iq = iq + shifted(KINDS[kind].make(random, CHUNK)[:count], random.uniform(-1e5, 1e5)) * 10 ** (snr_db / 20)
    iq = np.clip(iq.view(float) * 10 ** (level_db / 20), -3e38, 3e38).view(complex)
    rows = rows_of(iq, rate_hz, min(4_000, count))
    assert_in_range(rows, rate_hz)
    assert_unheard(rows)


def test_the_figures_in_definitions_are_those_of_the_code():
    assert f"SNR is right to {SNR_TOLERANCE_DB:g} dB" in FEATURE_TABLE["confidence_score"].definition
    assert f"frequency offset to {OFFSET_TOLERANCE_HZ:g} Hz" in FEATURE_TABLE["confidence_score"].definition
    assert f"within {delay.TOLERANCE_US:g} us" in FEATURE_TABLE["delay_spread_confidence"].definition
