"""Which emission is drawn, and that it fits into the recorded window."""

import math
from collections import Counter
from typing import get_args

import numpy as np
import pytest

from producer.emission import MIXED, Emission, draw_emission, emissions, emit, half_bandwidth_hz, placement_reach_hz
from producer.synthesize import synthesize_sample
from schemas import Capture, Scenario
from schemas.dataset import MODULATIONS, Modulation
from tests.producer_specs import variant

DRAWS = 5000


def drawn(**scenario):
    stream = np.random.default_rng(3)
    return [draw_emission(Scenario(**scenario), stream) for _ in range(DRAWS)]


def test_mixed_draws_each_modulation_as_often():
    counts = Counter(emission.modulation for emission in drawn(modulation="mixed"))
    assert counts.keys() == {"nbfm", "carrier", "am", "ssb", "4fsk"} == set(MIXED)
    assert all(abs(n / DRAWS - 0.2) < 4 * math.sqrt(0.2 * 0.8 / DRAWS) for n in counts.values())


def test_half_of_the_voices_deviate_by_2500_and_half_by_5000_hz():
    counts = Counter(emission.peak_deviation_hz for emission in drawn())
    assert counts.keys() == {2500.0, 5000.0}
    assert abs(counts[5000.0] / DRAWS - 0.5) < 4 * 0.5 / math.sqrt(DRAWS)


def test_a_sideband_is_drawn_where_none_is_asked_for():
    counts = Counter(emission.sideband for emission in drawn(modulation="ssb"))
    assert counts.keys() == {"upper", "lower"}
    assert abs(counts["upper"] / DRAWS - 0.5) < 4 * 0.5 / math.sqrt(DRAWS)
    assert {emission.sideband for emission in drawn(modulation="ssb", sideband="upper")} == {"upper"}


def test_an_emission_has_the_parameters_of_its_modulation_alone():
    for emission in drawn(modulation="mixed"):
        assert (emission.peak_deviation_hz > 0) == (emission.modulation in {"nbfm", "4fsk"})
        assert (emission.modulation_depth > 0) == (emission.modulation == "am")
        assert (emission.sideband is not None) == (emission.modulation == "ssb")


@pytest.mark.parametrize("modulation", MODULATIONS)
def test_truth_tells_the_emission(modulation):
    spec = variant(scenario=Scenario(modulation=modulation))
    for index in range(4):
        frames = synthesize_sample(spec, index).frames
        (told,) = {frame.truth.transmitter for frame in frames}
        assert modulation in {"mixed", told.modulation}
        assert (told.sideband is None) == (told.modulation != "ssb")
        assert told.occupied_bandwidth_hz <= 2 * 8000
        if told.modulation in {"carrier", "nbfm", "4fsk"}:
            assert told.mean_power_db == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("modulation", MODULATIONS)
def test_all_of_every_emission_is_recorded(modulation):
    """The carrier, +-2 ppm at either end, stands a half bandwidth and 1 % of the window from its edge."""
    spec = variant(scenario=Scenario(modulation=modulation))
    stream = np.random.default_rng(1)
    for _ in range(50):
        emission = draw_emission(spec.scenario, stream)
        reach_hz = placement_reach_hz(spec, emission)
        assert reach_hz + half_bandwidth_hz(emission) + 2 * 288 == pytest.approx(98_000)


@pytest.mark.parametrize("modulation", get_args(Modulation))
def test_every_modulation_can_be_sent_as_it_says(modulation):
    possible = emissions(modulation, Scenario())
    assert {emission.modulation for emission in possible} == {modulation}
    for emission in possible:
        x = emit(emission, 20_000, sample_rate_hz=200e3, seed=1, sample_idx=0).baseband(1)
        assert x.shape == (20_000,)
        assert np.abs(x).max() > 0.1
        assert half_bandwidth_hz(emission) <= 98_000


@pytest.mark.parametrize("unknown", ["qam", "NBFM", ""])
def test_what_is_no_modulation_is_not_sent_as_another(unknown):
    """A spec refuses it; so does whoever is handed one all the same."""
    with pytest.raises(ValueError, match="modulation"):
        Scenario(modulation=unknown)
    emission = Emission(modulation=unknown)
    for use in (
        lambda: emissions(unknown, Scenario()),
        lambda: half_bandwidth_hz(emission),
        lambda: emit(emission, 100, sample_rate_hz=200e3, seed=1, sample_idx=0),
    ):
        with pytest.raises(AssertionError, match=f"{unknown!r}"):
            use()


def test_a_sideband_is_never_guessed():
    with pytest.raises(ValueError, match="names no sideband"):
        emit(Emission(modulation="ssb"), 100, sample_rate_hz=200e3, seed=1, sample_idx=0)


@pytest.mark.parametrize(
    ("modulation", "named", "least"),
    [
        ("nbfm", "nbfm", 17_503),
        ("am", "am", 7_298),
        ("ssb", "ssb", 7_298),
        ("4fsk", "4fsk", 11_021),
        ("carrier", "carrier", 1_176),
        ("mixed", "nbfm of a mixed dataset", 17_503),
    ],
)
def test_a_window_too_narrow_is_refused_with_a_rate_that_works(modulation, named, least):
    """Whatever the index: a dataset fails as a whole, not where a wide emission is drawn."""

    def at(rate_hz):
        capture = Capture(sample_rate_hz=float(rate_hz), capture_ms=20, chunk_ms=10)
        return variant(scenario=Scenario(modulation=modulation), capture=capture)

    for index in range(3):
        with pytest.raises(ValueError, match=f"Hz is too narrow for {named} with .*use at least {least} Hz"):
            synthesize_sample(at(least - 1), index)
        assert synthesize_sample(at(least), index).frames
