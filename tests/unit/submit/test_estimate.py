"""What a dataset will cost and give, told beforehand, against what whole recordings give."""

import numpy as np
import pytest

from extractor.record import feature_record
from iqstream import make_spec, preset
from iqstream.submit.acceptance import hear, verdict
from iqstream.submit.estimate import WRONG_SHARE, estimate, estimate_acceptance, interval
from iqstream.submit.rate import FEWEST, rate
from producer.synthesize import synthesize_sample
from schemas import Lineage
from sink.quality import Accepted, assess
from tests.unit.submit.test_room import SETTINGS

SAMPLES = 16
SHORT = {"capture_ms": 200, "chunk_ms": 40}
NOWHERE = Lineage(topic="iq.frames", partition=0, offset=0, crc32=None)


def generated(spec, index):
    """What comes of the whole recordings."""
    records = [feature_record(frame, NOWHERE) for frame in synthesize_sample(spec, index).frames]
    return isinstance(assess(records, spec.limits), Accepted)


@pytest.mark.parametrize("said", ["default-network", "city-noise", "430mhz", "mixed-modulations", "am"])
def test_the_estimate_is_what_the_same_samples_give_when_they_are_generated_in_full(said):
    changes = {"scenario": {"modulation": "am"}} if said == "am" else {}
    base = preset("default-network" if said == "am" else said)
    spec = make_spec(base, seed=7, samples=SAMPLES, capture=SHORT, **changes)
    came = [generated(spec, index) for index in range(SAMPLES)]
    told = [isinstance(verdict(spec, hear(spec, index)), Accepted) for index in range(SAMPLES)]
    acceptance = estimate_acceptance(spec, time_s=1e9)
    assert acceptance.budgets == SAMPLES
    assert acceptance.share == pytest.approx(np.mean(told))
    _, low, high = acceptance.samples(SAMPLES)
    assert low <= sum(came) <= high
    assert sum(one != other for one, other in zip(came, told, strict=True)) <= 2


def test_the_interval_holds_what_comes_in_95_of_100_datasets():
    """Verdicts drawn by chance, with as many wrong ones as allowed for."""
    rng, inside, trials = np.random.default_rng(3), 0, 600
    for _ in range(trials):
        share, samples, budgets = rng.uniform(0.02, 0.98), int(rng.integers(50, 3000)), int(rng.integers(40, 300))
        came = rng.random(samples) < share
        wrong = rng.random(samples) < WRONG_SHARE / 2
        told = (came ^ wrong)[: min(budgets, samples)]
        _, low, high = interval(int(told.sum()), told.size, samples).samples(samples)
        inside += low <= came.sum() <= high
    assert inside / trials > 0.94


@pytest.mark.parametrize(("accepted", "looked_at"), [(0, 40), (40, 40), (1, 1)])
def test_an_interval_stays_within_what_can_be_and_is_never_a_point(accepted, looked_at):
    found = interval(accepted, looked_at, 1000)
    assert 0 <= found.low_share <= found.share <= found.high_share <= 1
    assert found.high_share - found.low_share > 0.01


def test_time_ends_the_budgets_but_not_below_a_few():
    spec = make_spec(name="x", samples=1000, seed=1)
    assert estimate_acceptance(spec, time_s=0.0).budgets == 40
    assert estimate_acceptance(spec, budgets=50, time_s=1e9).budgets == 50


def test_frames_in_kafka_are_no_more_than_it_keeps_and_kept_iq_no_more_than_is_asked_for():
    spec = make_spec(name="x", samples=10_000, seed=1, iq_samples=10)
    found = estimate(spec, SETTINGS, samples_per_s=20.0)
    kept = SETTINGS.partitions * (SETTINGS.frames_retention_bytes + SETTINGS.frames_segment_bytes)
    assert found.frames_bytes == kept
    assert found.iq_bytes == 10 * 7 * 200_000 * 8
    assert found.seconds == 500
    assert estimate(spec, SETTINGS, samples_per_s=None).seconds is None
    floats = make_spec(name="x", samples=10, seed=1, datatype="cf32_le")
    assert estimate(floats, SETTINGS, samples_per_s=None).frames_bytes == 10 * 7 * 200_000 * 8


@pytest.mark.parametrize("batch", [1, 4])
def test_a_rate_is_told_without_the_pauses(batch):
    """20 samples/s, stored one by one or in fours; then it stood still for an hour, and after more for a minute."""
    busy = [(at // batch * batch) / 20 for at in range(200)]
    extended = busy + [3600 + at for at in busy] + [3700 + at for at in busy]
    assert rate(busy) == pytest.approx(20, rel=0.03)
    assert rate(extended) == pytest.approx(20, rel=0.03)
    assert rate([200 * at for at in busy]) == pytest.approx(0.1, rel=0.03), "slow is no pause"


def test_too_few_decisions_or_all_at_once_tell_no_rate():
    assert rate([at / 20 for at in range(FEWEST)]) is not None
    assert rate([at / 20 for at in range(FEWEST - 1)]) is None
    assert rate([5.0] * 100) is None
    assert rate([5.0] * 50 + [6.0] * 50) is None
    assert rate([]) is None
