"""Whole samples: what they depend on, what they hold, and that their truth is true."""

import math
import pickle

import numpy as np
import pytest

from producer.ground import ground_of
from producer.propagation import clutter_loss_db, delta_bullington_loss_db
from producer.receiver import chunk_ends
from producer.synthesize import WrongGenerator, synthesize_sample
from producer.terrain import profile
from producer.tiles import NO_TILES
from schemas import Capture, Propagation, Scenario, decode, encode
from tests.golden_digests import GOLDEN_SPECS
from tests.producer_specs import FREE_SPACE, ONE_TAP, SHORT, ring_of, variant


def contents(sample):
    return [(frame.datatype, frame.scale, bytes(frame.iq), frame.truth) for frame in sample.frames]


@pytest.fixture(scope="module")
def sample():
    return synthesize_sample(SHORT, 5)


def test_a_sample_depends_on_spec_and_index_alone(sample):
    """Made again, after others, and under another identity and size of the dataset."""
    synthesize_sample(SHORT, 6)
    assert contents(synthesize_sample(SHORT, 5)) == contents(sample)
    renamed = variant(
        dataset_id="00000000-0000-4000-8000-00000000ffff", name="other", samples=6, dataset_version=3, iq_samples=0
    )
    assert contents(synthesize_sample(renamed, 5)) == contents(sample)


def test_other_seeds_and_indices_give_other_samples(sample):
    others = [
        synthesize_sample(SHORT, 4),
        synthesize_sample(variant(seed=1), 5),
        synthesize_sample(variant(seed=5), 0),
    ]
    iq = {bytes(frame.iq) for one in (sample, *others) for frame in one.frames}
    places = {one.frames[0].truth.transmitter.latitude for one in (sample, *others)}
    assert (len(iq), len(places)) == (28, 4)


def test_a_further_receiver_leaves_the_others_streams_alone():
    few, more = (synthesize_sample(variant(receivers=ring_of(n)), 1) for n in (4, 5))
    for one, other in zip(few.frames, more.frames, strict=False):
        assert one.truth.link.tap_delays_us == other.truth.link.tap_delays_us


def test_frames_of_the_default_network(sample):
    assert [frame.receiver for frame in sample.frames] == list(SHORT.receivers)
    for frame in sample.frames:
        assert frame.samples().shape == (4_000,)
        assert frame.samples().dtype == np.complex64
        assert frame.receivers_expected == 7
        assert (frame.sample_idx, frame.dataset_id, frame.chunk_ms) == (5, SHORT.dataset_id, 10)
        assert frame.captured_at_ns == 1_767_225_600_000_000_000 + 5 * 20_000_000


@pytest.mark.parametrize("name", GOLDEN_SPECS)
def test_every_frame_survives_the_wire(name):
    for frame in synthesize_sample(GOLDEN_SPECS[name], 2).frames:
        assert decode(encode(frame)) == frame


@pytest.mark.parametrize("receivers", [2, 3, 12])
@pytest.mark.parametrize(("rate_hz", "capture_ms"), [(200e3, 10), (16_800.0, 40), (2.4e6, 3), (250_000, 1)])
def test_other_networks_rates_and_lengths_work(receivers, rate_hz, capture_ms):
    spec = variant(
        receivers=ring_of(receivers),
        frequency_hz=50e6,
        capture=Capture(sample_rate_hz=rate_hz, capture_ms=capture_ms, chunk_ms=1),
    )
    frames = synthesize_sample(spec, 3).frames
    assert len(frames) == receivers
    for frame in frames:
        assert frame.samples().size == spec.capture.samples
        assert len(frame.truth.link.snr_db) == len(chunk_ends(spec.capture.samples, round(rate_hz / 1000)))
        assert np.isfinite(frame.samples()).all()


def test_truths_powers_are_those_of_the_recording():
    """Mean |x|^2 in mW is signal plus noise, but for their product, which shrinks with the root of N."""
    for frame in synthesize_sample(SHORT, 8).frames:
        link = frame.truth.link
        for chunk, (signal_dbm, noise_dbm) in enumerate(zip(link.signal_dbm, link.noise_realised_dbm, strict=True)):
            x = frame.samples()[chunk * 2000 : (chunk + 1) * 2000].astype(np.complex128)
            signal, noise = 10 ** (signal_dbm / 10), 10 ** (noise_dbm / 10)
            product = 4 * math.sqrt(2 * signal * noise / 2000)
            assert np.mean(np.abs(x) ** 2) == pytest.approx(signal + noise, abs=product + 1e-4 * (signal + noise))
            assert link.snr_db[chunk] == pytest.approx(signal_dbm - noise_dbm)
            assert noise_dbm == pytest.approx(link.noise_dbm, abs=4 * 10 / math.log(10) / math.sqrt(2000))


def test_the_link_budget_adds_up(sample):
    for frame in sample.frames:
        link, sent = frame.truth.link, frame.truth.transmitter
        parts = link.free_space_loss_db + link.diffraction_loss_db + link.clutter_loss_db + link.shadowing_db
        assert link.path_loss_db == pytest.approx(parts, abs=1e-6)
        assert link.mean_signal_dbm == pytest.approx(sent.eirp_dbm + 5.0 - parts, abs=1e-6)
        assert link.mean_snr_db == pytest.approx(link.mean_signal_dbm - link.noise_dbm)
        assert link.noise_dbm == pytest.approx(-111.7, abs=0.1)
        assert link.arrival_delay_us == pytest.approx(link.distance_km / 0.299792458, rel=1e-8)
        assert abs(link.frequency_offset_hz - sent.frequency_offset_hz) <= 2 * 288


def test_diffraction_and_clutter_can_be_computed_again_from_the_truth(sample):
    """By the published functions, from the spec, the two places and the antennas."""
    ground = ground_of(SHORT, NO_TILES)
    for frame in sample.frames:
        link, sent, there = frame.truth.link, frame.truth.transmitter, frame.receiver
        way = profile(
            ground,
            (sent.latitude, sent.longitude, sent.altitude_m),
            (there.latitude, there.longitude, there.altitude_m),
            step_m=100.0,
        )
        heights = sent.antenna_height_m, there.antenna_height_m
        expected = delta_bullington_loss_db(way.distances_km, way.heights_m, *heights, 144e6, 6371 * 4 / 3)
        assert link.diffraction_loss_db == pytest.approx(expected, abs=1e-6)
        assert link.clutter_loss_db == pytest.approx(sum(clutter_loss_db(h, 144e6, "rural") for h in heights), abs=1e-6)
        assert link.terrain_max_m == way.heights_m.max()
        ray_m = np.interp(
            way.distances_km,
            way.distances_km[[0, -1]],
            (sent.altitude_m + heights[0], there.altitude_m + heights[1]),
        )
        bulge_m = way.distances_km * (way.distances_km[-1] - way.distances_km) * 500 / (6371 * 4 / 3)
        assert link.clearance_m == pytest.approx((ray_m - bulge_m - way.heights_m).min(), abs=1e-6)


def test_without_terrain_nothing_stands_in_the_way():
    for frame in synthesize_sample(variant(terrain=FREE_SPACE), 5).frames:
        link = frame.truth.link
        assert (link.diffraction_loss_db, link.clearance_m, link.terrain_max_m) == (0.0, None, None)
        assert frame.truth.transmitter.altitude_m == pytest.approx(2550 / 7)


def test_without_fading_the_mean_power_is_the_budget():
    spec = variant(channel=ONE_TAP, scenario=Scenario(modulation="carrier"))
    for frame in synthesize_sample(spec, 1).frames:
        assert frame.truth.link.signal_dbm == pytest.approx((frame.truth.link.mean_signal_dbm,) * 2, abs=1e-4)


def test_a_carrier_is_a_tone_at_its_stated_offset():
    """Within a tenth of a bin of a 20 ms recording (5 Hz), by a zero-padded transform."""
    spec = variant(channel=ONE_TAP, scenario=Scenario(modulation="carrier"))
    for frame in synthesize_sample(spec, 2).frames:
        x, padded = frame.samples(), 2**20
        peak = np.abs(np.fft.fft(x * np.hanning(x.size), padded)).argmax()
        frequency_hz = np.fft.fftfreq(padded, 1 / 200e3)[peak]
        assert frequency_hz == pytest.approx(frame.truth.link.frequency_offset_hz, abs=5.0)


@pytest.mark.parametrize(
    ("modulation", "index"), [("nbfm", 0), ("nbfm", 1), ("nbfm", 2), ("am", 0), ("ssb", 0), ("4fsk", 0)]
)
def test_cross_correlation_recovers_the_difference_of_arrival(modulation, index):
    """To 0.2 sample (1 us) between the nearest and the farthest receiver, no fading, SNR at least 20 dB."""
    spec = variant(
        channel=ONE_TAP,
        capture=Capture(capture_ms=250, chunk_ms=50),
        scenario=Scenario(oscillator_ppm=0.0, modulation=modulation),
        propagation=Propagation(shadowing_sigma_db=0.0),
        terrain=FREE_SPACE,
    )
    frames = sorted(synthesize_sample(spec, index).frames, key=lambda frame: frame.truth.link.distance_km)
    near, far = frames[0], frames[-1]
    assert min(near.truth.link.mean_snr_db, far.truth.link.mean_snr_db) >= 20
    expected = (far.truth.link.arrival_delay_us - near.truth.link.arrival_delay_us) * 0.2
    size = 2**17
    template = near.samples()
    template[:500] = template[-500:] = 0  # so that every lag sees as much of the other: pauses are a carrier
    spectra = [np.fft.fft(x, size) for x in (far.samples(), template)]
    # Noise outside the voice's band is left out, and the correlation interpolated 16 times.
    offset = near.truth.link.frequency_offset_hz
    band = np.abs(np.fft.fftfreq(size, 1 / 200e3) - offset) < 10_000
    product = np.fft.fftshift(np.roll(spectra[0] * spectra[1].conj() * band, -round(offset * size / 200e3)))
    wide = np.zeros(16 * size, complex)
    wide[8 * size - size // 2 : 8 * size + size // 2] = product
    lag = int(np.abs(np.fft.ifft(np.fft.ifftshift(wide))).argmax())
    lag -= wide.size if lag > wide.size // 2 else 0
    assert expected > 50
    assert lag / 16 == pytest.approx(expected, abs=0.2)


def test_no_frame_begins_or_ends_in_silence():
    """The first and last 50 samples have the power of a constant envelope, near and far."""
    spec = variant(
        channel=ONE_TAP, propagation=Propagation(shadowing_sigma_db=0.0), terrain=FREE_SPACE, datatype="cf32_le"
    )
    for frame in synthesize_sample(spec, 4).frames:
        power = np.abs(frame.samples()) ** 2
        expected = 10 ** (frame.truth.link.mean_signal_dbm / 10)
        for edge in (power[:50], power[-50:]):
            assert edge.mean() == pytest.approx(expected, rel=0.1)


def test_faint_signals_go_as_bytes_and_strong_ones_as_sixteen_bits():
    faint = synthesize_sample(variant(scenario=Scenario(eirp_min_w=1e-9, eirp_max_w=1e-9)), 0)
    strong = synthesize_sample(variant(scenario=Scenario(eirp_min_w=50, eirp_max_w=50), terrain=FREE_SPACE), 0)
    assert {frame.datatype for frame in faint.frames} == {"ci8"}
    assert {frame.datatype for frame in strong.frames} == {"ci16_le"}
    for frame in (*faint.frames, *strong.frames):
        assert frame.truth.link.quantisation_noise_dbm == pytest.approx(
            20 * math.log10(frame.scale) - 10 * math.log10(6)
        )


def test_another_generators_dataset_is_refused_by_name():
    with pytest.raises(WrongGenerator, match="made by generator 'ancient'"):
        synthesize_sample(variant(generator_version="ancient"), 0)


def test_whole_numbers_in_a_spec_are_the_same_frequencies(sample):
    spec = variant(frequency_hz=144_000_000, capture=Capture(sample_rate_hz=200_000, capture_ms=20, chunk_ms=10))
    assert [encode(frame) for frame in synthesize_sample(spec, 5).frames] == [encode(f) for f in sample.frames]


def test_the_function_can_be_sent_to_another_process():
    assert pickle.loads(pickle.dumps(synthesize_sample)) is synthesize_sample
