"""Measured against truth: the errors are what was put in, in the right band, against the right goal."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.plot.truth import BANDS, QUANTITIES, accuracy, band_of, recording_errors, true_values
from schemas import FEATURE_NAMES, FeatureRecord, LinkTruth
from tests.sink_samples import feature_record, make_spec

INDEX = {quantity.feature: index for index, quantity in enumerate(QUANTITIES)}


def link(**changes) -> LinkTruth:
    truth = feature_record(make_spec(), 0).truth
    fields = {
        "signal_dbm": (-90.0, -92.0),
        "noise_realised_dbm": (-110.0, -111.0),
        "snr_db": (20.0, 19.0),
        "quantisation_noise_dbm": -300.0,
        "frequency_offset_hz": 1500.0,
    }
    return msgspec.structs.replace(truth.link, **(fields | changes))


def measured(its_link, *, errors=None, modulation="nbfm", **fields) -> FeatureRecord:
    """A record that measured the truth, but for the errors given by feature."""
    record = feature_record(make_spec(), 0, **fields)
    true = dict(zip(INDEX, true_values(its_link), strict=True))
    values = list(record.values)
    for feature, value in true.items():
        values[4 * FEATURE_NAMES.index(feature)] = value + (errors or {}).get(feature, 0.0)
    transmitter = msgspec.structs.replace(record.truth.transmitter, modulation=modulation)
    truth = msgspec.structs.replace(record.truth, link=its_link, transmitter=transmitter)
    return msgspec.structs.replace(record, values=tuple(values), truth=truth)


def test_truth_is_the_mean_over_chunks_of_signal_noise_and_their_sum():
    rssi_dbm, snr_db, noise_dbm, offset_hz = true_values(link())
    total = [10 * math.log10(10**-9.0 + 10**-11.0), 10 * math.log10(10**-9.2 + 10**-11.1)]
    assert rssi_dbm == pytest.approx(sum(total) / 2)
    assert (snr_db, noise_dbm, offset_hz) == pytest.approx((19.5, -110.5, 1500.0))


def test_noise_of_the_integers_on_the_wire_is_noise():
    _, snr_db, noise_dbm, _ = true_values(link(noise_realised_dbm=(-110.0, -110.0), quantisation_noise_dbm=-110.0))
    assert noise_dbm == pytest.approx(-110.0 + 10 * math.log10(2))
    assert snr_db == pytest.approx(19.0 - 10 * math.log10(2))


@given(st.sampled_from(list(INDEX)), st.floats(-50, 50))
def test_the_error_of_a_recording_is_measured_minus_true(feature, error):
    found = recording_errors(measured(link(), errors={feature: error}))
    expected = [error if name == feature else 0.0 for name in INDEX]
    assert found.errors == pytest.approx(expected, abs=1e-9)


def test_a_recording_without_truth_has_no_errors():
    assert recording_errors(feature_record(make_spec(), 0, truth=False)) is None


@given(st.floats(-400, 400))
def test_every_snr_is_in_one_band(snr_db):
    assert [band.low_db <= snr_db < band.high_db for band in BANDS].count(True) == 1
    assert BANDS[band_of(snr_db)].low_db <= snr_db < BANDS[band_of(snr_db)].high_db


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30))
def test_bias_is_the_mean_error_and_rms_holds_bias_and_spread(errors):
    cell = accuracy(recording_errors(measured(link(), errors={"snr_db": error})) for error in errors)[INDEX["snr_db"]][
        band_of(19.5)
    ]
    mean = sum(errors) / len(errors)
    spread = sum((error - mean) ** 2 for error in errors) / len(errors)
    assert cell.recordings == len(errors)
    assert cell.bias == pytest.approx(mean, abs=1e-9)
    assert cell.rms**2 == pytest.approx(mean**2 + spread, abs=1e-9)


@pytest.mark.parametrize(("error_db", "met"), [(0.05, True), (0.07, False)])
def test_a_goal_is_met_up_to_its_figure(error_db, met):
    cells = accuracy([recording_errors(measured(link(), errors={"snr_db": error_db}))])
    assert cells[INDEX["snr_db"]][band_of(19.5)].met is met


def test_fading_adds_half_its_doppler_shift_to_the_goal_for_the_frequency():
    steady, fading = (
        accuracy([recording_errors(measured(link(doppler_max_hz=doppler_hz)))])[INDEX["frequency_offset_hz"]][
            band_of(19.5)
        ].goal
        for doppler_hz in (0.0, 10.0)
    )
    assert fading - steady == pytest.approx(5.0)


@pytest.mark.parametrize("change", [{"modulation": "am"}, {"chunk_ms": 20}])
def test_there_is_no_goal_where_none_was_set(change):
    cells = accuracy([recording_errors(measured(link(), **change))])
    assert cells[INDEX["snr_db"]][band_of(19.5)].met is None


def test_a_band_without_recordings_is_empty():
    assert accuracy([]) == tuple((None,) * len(BANDS) for _ in QUANTITIES)
