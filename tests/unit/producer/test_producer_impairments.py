"""Each impairment by its definition, on signals whose answer is known; none of them costs anything when off."""

import math

import msgspec
import numpy as np
import pytest

from producer import synthesize
from producer.impairments import image_rejection_db, impair
from producer.receiver import power_dbm
from producer.synthesize import synthesize_sample
from schemas import Impairments, Scenario
from tests.producer_specs import ONE_TAP, SHORT, variant

RATE_HZ, COUNT = 200_000.0, 200_000
KEY = np.array([5, 6], np.uint32)


def tone(cycles=10_000, amplitude=5.0, count=COUNT):
    return (amplitude * np.exp(2j * np.pi * cycles * np.arange(count) / count)).astype(np.complex64)


def noise(seed=1, count=COUNT):
    return np.random.default_rng(seed).standard_normal((count, 2), np.float32).view(np.complex64)[:, 0]


def impaired(x, *, offset_turns=0.0, key=KEY, **fields):
    y = x.copy()
    told = impair(y, Impairments(**fields), sample_rate_hz=RATE_HZ, offset_turns=offset_turns, phase_noise=key)
    return y, told


@pytest.mark.parametrize(("gain_db", "phase_deg"), [(0.5, 0.0), (0.0, 2.0), (1.0, -5.0), (-3.0, 10.0)])
def test_image_rejection_follows_from_gain_and_phase_error(gain_db, phase_deg):
    """(1 + g^2 + 2 g cos phi) / (1 + g^2 - 2 g cos phi), measured on a tone and its image to 0.01 dB."""
    y, _ = impaired(tone(), iq_gain_error_db=gain_db, iq_phase_error_deg=phase_deg)
    spectrum = np.abs(np.fft.fft(y.astype(np.complex128))) ** 2
    measured = 10 * math.log10(spectrum[10_000] / spectrum[-10_000])
    assert measured == pytest.approx(image_rejection_db(gain_db, phase_deg), abs=0.01)
    assert y.real.std() / y.imag.std() == pytest.approx(10 ** (gain_db / 20), rel=1e-5)


def test_well_known_image_rejections():
    """1 dB alone 24.8 dB, 1 degree alone 41.2 dB; balanced branches have no image."""
    assert image_rejection_db(1.0, 0.0) == pytest.approx(24.8, abs=0.05)
    assert image_rejection_db(0.0, 1.0) == pytest.approx(41.18, abs=0.05)
    assert image_rejection_db(0.0, 0.0) is None


@pytest.mark.parametrize("offset_db", [-20.0, 0.0, 15.0])
def test_the_offset_has_its_power_over_the_noise_and_its_direction(offset_db):
    """Noise of power 2; the mean of n samples errs by sqrt(2 / n) = 0.003, tested to 5 of these."""
    x = noise()
    y, told = impaired(x, dc_offset_db=offset_db, offset_turns=0.2)
    added = complex(np.mean(y.astype(np.complex128) - x))
    assert 10 * math.log10(abs(added) ** 2 / 2) == pytest.approx(offset_db, abs=1e-4)
    assert np.angle(added) == pytest.approx(2 * math.pi * 0.2, abs=1e-4)
    assert abs(complex(np.mean(y)) - added) < 5 * math.sqrt(2 / COUNT)
    assert told.peak == np.abs(y.view(np.float32)).max()


@pytest.mark.parametrize("level_db", [-3.0, 0.0, 3.0, 9.0])
def test_clipping_begins_at_its_level_over_the_rms_of_a_component(level_db):
    """Gaussian components: the share beyond c sigma is erfc(c / sqrt 2), within 4 standard errors of n."""
    x = noise()
    y, told = impaired(x, clip_level_db=level_db)
    components, rms = y.view(np.float32), x.view(np.float32).astype(float).std()
    crest = 10 ** (level_db / 20)
    assert np.abs(components).max() == pytest.approx(crest * rms, rel=1e-5) == told.clip_level
    expected = math.erfc(crest / math.sqrt(2))
    assert told.clipped_share == np.mean(np.abs(components) == np.float32(told.clip_level))
    assert abs(told.clipped_share - expected) < 4 * math.sqrt(expected / components.size) + 2e-5
    below = np.abs(x.view(np.float32)) < told.clip_level
    np.testing.assert_array_equal(components[below], x.view(np.float32)[below])


def test_phase_noise_wanders_as_a_wiener_process():
    """Var[phi(t + tau) - phi(t)] = 2 pi linewidth tau.

    n / lag independent increments: a relative standard error of sqrt(2 lag / n), tested to 4 of them (false
    failures below 1e-4 each).
    """
    y, _ = impaired(tone(0), phase_noise_linewidth_hz=50.0)
    assert np.abs(np.abs(y) - 5).max() < 1e-5
    phase = np.unwrap(np.angle(y.astype(np.complex128)))
    assert phase[0] == pytest.approx(0.0, abs=1e-6)
    for lag in (1, 10, 100):
        steps = np.diff(phase[::lag])
        expected = 2 * math.pi * 50.0 * lag / RATE_HZ
        assert steps.var() == pytest.approx(expected, rel=4 * math.sqrt(2 * lag / COUNT))


def test_phase_noise_makes_a_lorentzian_line():
    """Half of a line's power lies within its full width at half maximum.

    40 recordings of 1 s of a 50 Hz line are 2000 independent values: 0.5 within 4 sqrt(0.25 / 2000).
    """
    power = np.zeros(20_000)
    for run in range(40):
        y = tone(0, count=20_000)
        impair(
            y,
            Impairments(phase_noise_linewidth_hz=50.0),
            sample_rate_hz=20_000.0,
            offset_turns=0.0,
            phase_noise=np.array([run, 9], np.uint32),
        )
        power += np.abs(np.fft.fft(y.astype(np.complex128))) ** 2
    frequency_hz = np.abs(np.fft.fftfreq(20_000, 1 / 20_000))
    assert power[frequency_hz <= 25].sum() / power.sum() == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / 2000))


def test_all_off_changes_nothing():
    x = tone() + noise()
    y, told = impaired(x)
    np.testing.assert_array_equal(y, x)
    assert (told.clip_level, told.clipped_share) == (None, 0.0)
    assert told.peak == np.abs(x.view(np.float32)).max()


def test_a_receiver_without_impairments_never_comes_by_them(monkeypatch):
    """Off is free: the code is not called, and no truth is told."""

    def never(*_, **__):
        raise AssertionError

    monkeypatch.setattr(synthesize, "impair", never)
    assert all(frame.truth.receiver is None for frame in synthesize_sample(SHORT, 1).frames)
    with pytest.raises(AssertionError):
        synthesize_sample(variant(impairments=Impairments(dc_offset_db=0.0)), 1)


def test_impairments_leave_the_links_truth_alone():
    plain = synthesize_sample(SHORT, 1).frames
    hurt = synthesize_sample(variant(impairments=Impairments(dc_offset_db=10.0, clip_level_db=6.0)), 1).frames
    for one, other in zip(plain, hurt, strict=True):
        same = msgspec.structs.replace(other.truth.link, quantisation_noise_dbm=one.truth.link.quantisation_noise_dbm)
        assert same == one.truth.link


def test_truth_tells_what_stands_in_the_recording():
    """Offset and clip level in absolute power at the receiver, the offset's direction where it outweighs all else."""
    spec = variant(
        scenario=Scenario(modulation="carrier", eirp_min_w=1e-9, eirp_max_w=1e-9),
        channel=ONE_TAP,
        datatype="cf32_le",
        impairments=Impairments(dc_offset_db=-10.0, clip_level_db=4.0),
    )
    for frame in synthesize_sample(spec, 0).frames:
        told, x = frame.truth.receiver, frame.samples().astype(np.complex128)
        assert told.dc_offset_dbm == pytest.approx(frame.truth.link.noise_dbm - 10.0)
        level = np.abs(x.view(np.float64)).max()
        assert power_dbm(level**2) == pytest.approx(told.clip_level_dbm, abs=1e-4)
        assert told.clipped_share == pytest.approx(np.mean(np.abs(x.view(np.float64)) > level * 0.99999), abs=3e-4)
        assert 0 < told.clipped_share < 1
    strong = synthesize_sample(variant(impairments=Impairments(dc_offset_db=40.0)), 0).frames
    for frame in strong:
        told, mean = frame.truth.receiver, complex(frame.samples().mean())
        assert math.degrees(np.angle(mean)) % 360 == pytest.approx(told.dc_phase_deg, abs=20)


@pytest.mark.parametrize("linewidth_hz", [1e-6, 10_000.0])
def test_the_narrowest_and_the_widest_lines_work(linewidth_hz):
    y, _ = impaired(tone(0), phase_noise_linewidth_hz=linewidth_hz)
    assert np.isfinite(y.view(np.float32)).all()
