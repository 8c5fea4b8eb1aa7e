"""Numbers on the wire."""

import math

import numpy as np
import pytest

from producer.quantise import choose_datatype, quantisation_noise_mw, quantise
from schemas.iq_frame import component_dtype

SIGMA = 2.5e-6


def recording(amplitude, count=100_000):
    rng = np.random.default_rng(6)
    noise = rng.standard_normal((count, 2), np.float32).view(np.complex64)[:, 0]
    return (amplitude * np.exp(0.1j * np.arange(count)) + noise).astype(np.complex64)


def received(wire):
    return np.frombuffer(wire.iq, component_dtype(wire.datatype)) * wire.scale


@pytest.mark.parametrize(
    ("amplitude", "datatype"), [(0.0, "ci8"), (3.0, "ci8"), (7.0, "ci8"), (11.0, "ci16_le"), (1e4, "ci16_le")]
)
def test_nothing_clips_and_bytes_leave_the_noise_nine_steps(amplitude, datatype):
    y = recording(amplitude)
    peak = float(np.abs(y.view(np.float32)).max())
    wire = quantise(y, peak, SIGMA, "auto")
    integers = np.frombuffer(wire.iq, component_dtype(wire.datatype)).astype(int)
    assert wire.datatype == datatype
    assert np.abs(integers).max() == (127 if datatype == "ci8" else 32767)
    assert (SIGMA / wire.scale >= 9.2) or datatype == "ci16_le"
    # Half a step, and what float32 itself rounds at 15 bits before the point.
    assert np.abs(received(wire) - y.view(np.float32) * SIGMA).max() <= (0.5 + 2**-7) * wire.scale


def test_the_choice_turns_at_9_2_steps():
    assert choose_datatype(127 / 9.2, "auto") == "ci8"
    assert choose_datatype(127 / 9.19, "auto") == "ci16_le"
    assert choose_datatype(1.0, "cf32_le") == "cf32_le"


@pytest.mark.parametrize("amplitude", [2.0, 100.0])
def test_quantisation_noise_is_what_truth_says(amplitude):
    """scale^2 / 6 for both components, within 4 standard errors of n uniform errors."""
    y = recording(amplitude)
    wire = quantise(y, float(np.abs(y.view(np.float32)).max()), SIGMA, "auto")
    error = (received(wire) - y.view(np.float32).astype(float) * SIGMA).reshape(-1, 2)
    measured = np.mean((error**2).sum(axis=1))
    assert measured == pytest.approx(quantisation_noise_mw(wire), rel=4 * math.sqrt(0.8 / (2 * y.size)) + 1e-3)


def test_bytes_keep_quantisation_30_db_under_the_noise():
    y = recording(5.0)
    wire = quantise(y, float(np.abs(y.view(np.float32)).max()), SIGMA, "auto")
    assert wire.datatype == "ci8"
    assert 10 * math.log10(quantisation_noise_mw(wire) / (2 * SIGMA**2)) < -30


def test_a_steady_carrier_fits_into_bytes_up_to_about_15_db():
    """Amplitude 8 is 15 dB over the noise of 200,000 samples."""
    y = recording(8.0, 200_000)
    assert quantise(y, float(np.abs(y.view(np.float32)).max()), SIGMA, "auto").datatype == "ci8"


def test_floats_on_request_are_exact():
    y = recording(3.0)
    wire = quantise(y, 10.0, SIGMA, "cf32_le")
    np.testing.assert_array_equal(np.frombuffer(wire.iq, np.float32), y.view(np.float32) * np.float32(SIGMA))
    assert (wire.datatype, wire.scale, quantisation_noise_mw(wire)) == ("cf32_le", 1.0, 0.0)
