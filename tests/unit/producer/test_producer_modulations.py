"""What each modulation is by its definition, and the derivatives that the channel is made of."""

import math
from typing import get_args

import numpy as np
import pytest
from scipy import signal

from producer.angle import AngleModulated, carrier, frequency_modulated
from producer.emission import Emission, emissions, emit, half_bandwidth_hz
from producer.four_fsk import shaped
from producer.linear import LinearlyModulated, amplitude_following
from producer.occupied import measure
from producer.waveform import oversampling, waveform_rate_hz
from schemas import Scenario
from schemas.dataset import Modulation

RATE_HZ = 200_000.0
NBFM_5 = Emission(modulation="nbfm", peak_deviation_hz=5000.0)
NBFM_2 = Emission(modulation="nbfm", peak_deviation_hz=2500.0)
AM = Emission(modulation="am", modulation_depth=0.9)
USB, LSB = (Emission(modulation="ssb", sideband=side) for side in ("upper", "lower"))
FSK = Emission(modulation="4fsk", peak_deviation_hz=1944.0)
CARRIER = Emission(modulation="carrier")
ALL = [emission for modulation in get_args(Modulation) for emission in emissions(modulation, Scenario())]


def sent(emission, seconds=1.0, rate_hz=RATE_HZ, seed=4):
    return emit(emission, int(seconds * rate_hz), sample_rate_hz=rate_hz, seed=seed, sample_idx=1)


def frequency_hz(x):
    x = x.astype(np.complex128)
    return np.angle(x[1:] * x[:-1].conj()) * RATE_HZ / (2 * math.pi)


@pytest.mark.parametrize("emission", [NBFM_2, NBFM_5])
def test_peak_deviation_is_a_peak(emission):
    deviation = frequency_hz(sent(emission).baseband(1))
    assert np.abs(deviation).max() == pytest.approx(emission.peak_deviation_hz, rel=0.01)
    assert np.sqrt(np.mean(deviation**2)) < 0.3 * emission.peak_deviation_hz


def test_pauses_of_nbfm_are_a_carrier():
    """40-60 % of the time something is said; the rest stands still at full power."""
    x = sent(NBFM_5, 3.0).baseband(1)
    still = np.abs(frequency_hz(x)) < 1e-3
    assert 0.35 < still.mean() < 0.65
    assert np.abs(np.abs(x) - 1).max() < 3e-7


@pytest.mark.parametrize("emission", [NBFM_5, FSK, CARRIER])
def test_angle_modulation_has_constant_envelope(emission):
    assert np.abs(np.abs(sent(emission).baseband(1)) - 1).max() < 3e-7


def test_the_envelope_of_am_is_carrier_and_audio():
    """Between 1 - depth and 1 + depth, reached on one side; no phase; the carrier's power is 1."""
    x = sent(AM).baseband(1)
    assert not x.imag.any()
    assert max(x.real.max() - 1, 1 - x.real.min()) == pytest.approx(0.9, rel=0.01)
    assert x.real.mean() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("emission", "side"), [(USB, 1), (LSB, -1)])
def test_ssb_stands_on_its_side_of_the_suppressed_carrier(emission, side):
    """Unwanted sideband and carrier 60 dB down; the peak of the envelope is 1."""
    x = sent(emission, 2.0).baseband(1).astype(np.complex128)
    at_hz, density = signal.welch(
        x, RATE_HZ, nperseg=2**15, window="blackmanharris", detrend=False, return_onesided=False
    )
    wanted = (side * at_hz > 270) & (side * at_hz < 3030)
    assert density[~wanted].sum() / density.sum() < 1e-4
    assert density[side * at_hz < 100].sum() / density.sum() < 1e-6
    assert np.abs(x).max() == pytest.approx(1.0, rel=0.01)


def test_lower_sideband_mirrors_the_upper():
    np.testing.assert_array_equal(sent(LSB).baseband(1), sent(USB).baseband(1).conj())


def test_4fsk_keeps_the_symbols_of_the_standard():
    """ETSI TS 102 361-1: behind the receiver's half of the filter the frequency at every symbol's middle is
    -1944, -648, 648 or 1944 Hz, 4800 times a second; the symbols are equally frequent within 4 standard errors.
    """
    deviation = frequency_hz(sent(FSK).baseband(1))
    spectrum = np.fft.fft(deviation)
    at_hz = np.abs(np.fft.fftfreq(deviation.size, 1 / RATE_HZ))
    roll = np.clip((at_hz - 1920) / 960, 0, 1)
    received = np.fft.ifft(spectrum * np.cos(np.pi / 2 * roll)).real
    # 125 phases of 41 2/3 samples a symbol: the one whose values lie on the levels.
    symbols = np.arange(100, 4700) * RATE_HZ / 4800
    instants = np.arange(received.size)

    def off_levels(phase):
        values = np.interp(symbols + phase, instants, received)
        return np.abs(np.abs(np.abs(values) - 1296) - 648).max(), values

    worst, values = min((off_levels(phase) for phase in np.arange(0, 42, 0.5)), key=lambda found: found[0])
    assert worst < 40
    _, counts = np.unique(np.round((values / 648 + 3) / 2), return_counts=True)
    assert counts.size == 4
    assert np.abs(counts / values.size - 0.25).max() < 4 * math.sqrt(0.25 * 0.75 / values.size)


def test_4fsk_occupies_what_dmr_does():
    """Its emission designator is 7K60FXD."""
    assert measure(sent(FSK, 2.0), RATE_HZ, half_bandwidth_hz(FSK)).occupied_bandwidth_hz == pytest.approx(
        7600, abs=200
    )


def test_shaping_passes_the_symbols_through_half_a_nyquist_filter():
    """Twice through it, node 12 k is symbol k."""
    rng = np.random.default_rng(1)
    symbols = rng.choice([-1.0, -1 / 3, 1 / 3, 1.0], 200).astype(np.float32)
    coefficients = shaped(symbols).astype(float)
    once = (np.roll(coefficients, 1) + 4 * coefficients + np.roll(coefficients, -1)) / 6
    cycles = np.abs(np.fft.fftfreq(once.size, 1 / 12))
    twice = np.fft.ifft(np.fft.fft(once) * np.cos(np.pi / 2 * np.clip((cycles - 0.4) / 0.2, 0, 1))).real
    np.testing.assert_allclose(twice[::12], symbols, atol=1e-5)


@pytest.mark.parametrize("emission", [NBFM_5, FSK])
def test_rate_and_slope_are_the_derivatives_of_the_phase(emission):
    """Central differences of the unwrapped phase over 5 us, in rad/us and rad/us^2."""
    waveform = sent(emission)
    phase = np.unwrap(np.angle(waveform.baseband(1).astype(np.complex128)))
    first = (phase[2:] - phase[:-2]) / 10.0
    second = (phase[2:] - 2 * phase[1:-1] + phase[:-2]) / 25.0
    assert np.abs(first - waveform.rate[1:-1]).max() < 2e-3 * np.abs(waveform.rate).max()
    # Rounding of the phase (1e-7 rad) stands in the second difference as 1e-8.
    assert np.sqrt(np.mean((second - waveform.rate_slope[1:-1]) ** 2)) < 0.03 * waveform.rate_slope.std()


@pytest.mark.parametrize("emission", [AM, USB])
def test_slope_and_curvature_are_the_derivatives_of_the_waveform(emission):
    waveform = sent(emission)
    x = waveform.value.astype(np.complex128)
    first = (x[2:] - x[:-2]) / 10.0
    second = (x[2:] - 2 * x[1:-1] + x[:-2]) / 25.0
    assert np.abs(first - waveform.slope[1:-1]).max() < 2e-3 * np.abs(waveform.slope).max()
    assert np.sqrt(np.mean(np.abs(second - waveform.curvature[1:-1]) ** 2)) < 0.03 * waveform.curvature.std()


@pytest.mark.parametrize("emission", ALL)
@pytest.mark.parametrize("rate_hz", [250e3, 312_500.0, 1e6])
def test_the_emission_does_not_depend_on_the_rate_at_which_it_is_made(emission, rate_hz):
    """The same spline at other instants, compared at 100 of them that both have."""
    here, there = sent(emission, 0.5), sent(emission, 0.5, rate_hz)
    at_s = np.arange(100) * 4e-3
    ours, theirs = (w.baseband(1)[np.round(at_s * rate).astype(int)] for w, rate in ((here, RATE_HZ), (there, rate_hz)))
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.parametrize("emission", [emission for emission in ALL if emission != CARRIER])
def test_images_of_the_interpolation_are_70_db_down(emission):
    """Nothing of the emission stands outside 25 kHz, beyond the first image of a voice at 50 kHz nodes."""
    x = sent(emission).baseband(1).astype(np.complex128)
    at_hz, density = signal.welch(
        x, RATE_HZ, nperseg=2**14, window="blackmanharris", detrend=False, return_onesided=False
    )
    assert density[np.abs(at_hz) > 25_000].sum() / density.sum() < 1e-7


@pytest.mark.parametrize("emission", ALL)
def test_the_occupied_bandwidth_in_truth_is_that_of_the_waveform(emission):
    """Against a periodogram of every sample; 0.5 % of the power on either side."""
    waveform = sent(emission)
    told = measure(waveform, RATE_HZ, half_bandwidth_hz(emission))
    x = waveform.baseband(1).astype(np.complex128)
    power = np.fft.fftshift(np.abs(np.fft.fft(x)) ** 2)
    share = np.cumsum(power) / power.sum()
    low, high = np.searchsorted(share, [0.005, 0.995])
    assert told.occupied_bandwidth_hz == pytest.approx(float(high - low), rel=0.01, abs=2.0)
    assert told.occupied_bandwidth_hz <= 2 * half_bandwidth_hz(emission)
    assert told.mean_power_db == pytest.approx(10 * math.log10(np.mean(np.abs(x) ** 2)), abs=0.01)


def test_silence_occupies_nothing():
    silence = amplitude_following(np.zeros(1000, np.complex64), 2000, node_rate_hz=50_000.0, sample_rate_hz=RATE_HZ)
    told = measure(silence, RATE_HZ, 3000.0)
    assert (told.mean_power_db, told.occupied_bandwidth_hz) == (-300.0, 0.0)


def test_too_few_nodes_are_refused():
    with pytest.raises(ValueError, match="10 nodes are too few for 29 samples: 12 are needed"):
        frequency_modulated(
            np.zeros(10, np.float32), 29, node_rate_hz=50_000.0, sample_rate_hz=RATE_HZ, deviation_hz=1.0
        )
    with pytest.raises(ValueError, match="10 nodes are too few for 29 samples: 12 are needed"):
        amplitude_following(np.zeros(10, np.complex64), 29, node_rate_hz=50_000.0, sample_rate_hz=RATE_HZ)


@pytest.mark.parametrize("rate_hz", [1e3, 16e3, 48e3, 199_999.0, 200e3, 250e3, 2e6, 20e6])
def test_waveforms_are_made_finely_enough(rate_hz):
    assert waveform_rate_hz(rate_hz) >= 200e3
    assert waveform_rate_hz(rate_hz) == rate_hz * oversampling(rate_hz)


@pytest.mark.parametrize(
    ("emission", "kind"), [(FSK, AngleModulated), (CARRIER, AngleModulated), (USB, LinearlyModulated)]
)
@pytest.mark.parametrize("count", [1, 2, 47])
def test_the_shortest_waveforms_can_be_made(emission, kind, count):
    waveform = emit(emission, count, sample_rate_hz=RATE_HZ, seed=1, sample_idx=1)
    assert isinstance(waveform, kind)
    assert waveform.baseband(1).shape == (count,)
    assert measure(waveform, RATE_HZ, half_bandwidth_hz(emission)).occupied_bandwidth_hz >= 0
    assert carrier(count).baseband(1).shape == (count,)
