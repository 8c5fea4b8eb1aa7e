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


@pytest.mark.parametrize(("snr_db", "datatype"), [(14.5, "ci8"), (17.5, "ci16_le")])
@pytest.mark.parametrize("seed", range(5))
def test_a_steady_carrier_fits_into_bytes_up_to_about_16_db(snr_db, datatype, seed):
    """127 / 9.2 = 13.8 sigma hold the carrier's amplitude a and the noise's peak beside it.

    One of 400,000 components of noise alone reaches 4.7 sigma; together with a carrier near its crest 4.2: a = 9.6,
    a^2 / 2 = 16.6 dB at most. The peak of noise scatters by some tenths of sigma, a dB of the carrier.
    """
    amplitude = math.sqrt(2 * 10 ** (snr_db / 10))
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((200_000, 2), np.float32).view(np.complex64)[:, 0]
    y = (amplitude * np.exp(0.1j * np.arange(200_000)) + noise).astype(np.complex64)
    assert quantise(y, float(np.abs(y.view(np.float32)).max()), SIGMA, "auto").datatype == datatype


def test_where_both_cannot_hold_nothing_clips_and_truth_tells_the_quantisation_noise():
    """A signal 80 dB over the noise: 16 bits leave the noise 2.3 steps, less than the 9.2 asked for."""
    amplitude = math.sqrt(2 * 10**8)
    y = recording(amplitude)
    peak = float(np.abs(y.view(np.float32)).max())
    wire = quantise(y, peak, SIGMA, "auto")
    integers = np.frombuffer(wire.iq, component_dtype(wire.datatype)).astype(int)
    assert (wire.datatype, np.abs(integers).max()) == ("ci16_le", 32767)
    assert SIGMA / wire.scale < 9.2
    error = (received(wire) - y.view(np.float32).astype(float) * SIGMA).reshape(-1, 2)
    measured = np.mean((error**2).sum(axis=1))
    assert measured == pytest.approx(quantisation_noise_mw(wire), rel=0.02)
    assert 10 * math.log10(quantisation_noise_mw(wire) / (2 * SIGMA**2)) > -30


@pytest.mark.parametrize(("snr_db", "holds"), [(66.0, True), (70.0, False)])
def test_sixteen_bits_hold_the_noise_up_to_about_68_db(snr_db, holds):
    """32767 / 9.2 = 3562 sigma, for a carrier a^2 / 2 = 68.0 dB."""
    y = recording(math.sqrt(2 * 10 ** (snr_db / 10)))
    wire = quantise(y, float(np.abs(y.view(np.float32)).max()), SIGMA, "auto")
    assert (SIGMA / wire.scale >= 9.2) == holds


def test_floats_on_request_are_exact():
    y = recording(3.0)
    wire = quantise(y, 10.0, SIGMA, "cf32_le")
    np.testing.assert_array_equal(np.frombuffer(wire.iq, np.float32), y.view(np.float32) * np.float32(SIGMA))
    assert (wire.datatype, wire.scale, quantisation_noise_mw(wire)) == ("cf32_le", 1.0, 0.0)
