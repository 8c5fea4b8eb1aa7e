"""What a watcher is shown: rates, times to go, and progress that never runs backwards past what is decided."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.cli.console import Console
from iqstream.cli.duration import duration
from iqstream.cli.watch_display import LineDisplay, counts_line, outcome_line
from iqstream.runtime.errors import Failed, Unreachable
from iqstream.submit.spec import make_spec
from iqstream.watch.event import require_success
from iqstream.watch.obstacles import skipped_records
from iqstream.watch.progress import reckon
from iqstream.watch.speed import Speed, SpeedMeter
from iqstream.watch.watch import OBSTACLE_AFTER_S, OUTAGE_ALLOWED_S, Lasting, Outages


def dataset(requested=100, accepted=0, rejected=0, failed=0, saved=0, status="running"):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Dataset(
        id="d", version=1, name="Test", spec=make_spec(name="Test", samples=requested), recorded=False, status=status,
        samples=SampleRanges.first(requested),
        grows=False, requested=requested, accepted=accepted, rejected=rejected, failed=failed, iq_samples=100,
        iq_samples_saved=saved, created_at=now, status_changed_at=now, completed_at=None,
    )  # fmt: skip


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 500), st.integers(0, 5000))
def test_stages_are_between_what_is_decided_and_what_is_submitted(decided, submitted, shards, frames):
    progress = reckon(dataset(accepted=decided), submitted, shards, frames)
    assert decided <= progress.extracted <= progress.generated <= progress.submitted == max(decided, submitted)


def test_without_backlog_everything_is_generated_and_extracted():
    progress = reckon(dataset(accepted=3), 100, 0, 0)
    assert (progress.generated, progress.extracted) == (100, 100)


def test_a_dataset_that_grows_is_counted_by_what_is_submitted_and_has_no_time_to_go():
    rate = SpeedMeter()
    rate.add(0, 0)
    rate.add(10, 50)
    shown = io.StringIO()
    growing = reckon(dataset(requested=10_000, accepted=50), 96, 10, 14)
    LineDisplay(Console(file=shown)).show(growing, rate.speed())
    assert shown.getvalue() == (
        "Test: generated 76, extracted 74, decided 50 of 96 submitted so far; IQ saved 0; "
        "accepted 50  rejected 0  failed 0  5.0 samples/s\n"
    )
    whole = reckon(dataset(requested=100, accepted=50), 100, 0, 0)
    assert counts_line(whole, rate.speed()).endswith("5.0 samples/s  10 s to go")


def test_no_extractor_is_waited_for_or_shown_where_features_alone_are_published():
    made = dataset(accepted=3)
    made = replace(made, spec=msgspec.structs.replace(made.spec, publish="features"))
    progress = reckon(made, 100, 2, 5000)
    assert (progress.generated, progress.extracted) == (84, None)
    assert progress.waiting_stages == ("producer", "sink")
    shown = io.StringIO()
    LineDisplay(Console(file=shown)).show(progress, Speed(per_second=None, overall_per_second=None))
    assert shown.getvalue().startswith("Test: generated 84, decided 3 of 100; IQ saved 0; accepted 3")


def test_samples_that_nothing_known_will_decide_are_named_with_the_way_out():
    """Only where all that is before the sink is done: as long as records are under way, nothing is missing yet."""
    (said,) = skipped_records(reckon(dataset(accepted=7), 12, 0, 0))
    assert "7 samples are decided and 5 are not" in said
    assert "iqstream replay --dataset d`" in said
    growing = replace(dataset(requested=10_000, accepted=7), grows=True)
    assert skipped_records(reckon(growing, 12, 0, 0)) == (said,)
    under_way = [(12, 1, 0), (12, 0, 7), (7, 0, 0)]
    for submitted, shards, frames in under_way:
        assert skipped_records(reckon(dataset(accepted=7), submitted, shards, frames)) == ()
    assert skipped_records(reckon(dataset(accepted=7, status="cancelled"), 12, 0, 0)) == ()


def test_no_more_iq_is_waited_for_than_samples_can_still_be_accepted():
    assert reckon(dataset(accepted=30, rejected=60), 100, 0, 0).iq_wanted == 40


def test_the_rate_is_that_of_the_last_seconds():
    rate = SpeedMeter()
    for second in range(100):
        rate.add(second, second * 2 if second < 80 else 160)
    assert rate.per_second() == 0
    assert rate.speed().eta_s(10) is None


def test_the_time_to_go_is_the_rest_over_the_rate():
    rate = SpeedMeter()
    rate.add(0, 0)
    rate.add(10, 50)
    assert rate.speed().eta_s(25) == 5


def a_job_of_6_per_second():
    """60 samples in 10 s, after 8 s in which the stages started."""
    rate = SpeedMeter()
    for second in range(19):
        rate.add(second, max(0, second - 8) * 6)
    return rate


def test_once_all_is_decided_the_rate_is_that_of_the_job_however_long_its_iq_is_saved():
    rate = a_job_of_6_per_second()
    for second in range(19, 60):
        rate.add(second, 60)
    saving = reckon(dataset(requested=60, accepted=60, saved=20), 60, 0, 0)
    assert counts_line(saving, rate.speed()).endswith(
        "6.0 samples/s  all decided, the IQ of 40 samples is still to be saved"
    )
    ended = reckon(dataset(requested=60, accepted=60, saved=60, status="complete"), 60, 0, 0)
    assert counts_line(ended, rate.speed()).endswith("failed 0  6.0 samples/s")


def test_no_rate_is_shown_of_a_job_that_nobody_watched():
    rate = SpeedMeter()
    for second in range(30):
        rate.add(second, 100)
    ended = reckon(dataset(accepted=100, status="complete"), 100, 0, 0)
    assert counts_line(ended, rate.speed()).endswith("failed 0")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1))
def test_the_rate_of_all_is_within_those_of_its_parts(steps):
    rate, now_s, decided = SpeedMeter(), 0, 0
    rate.add(now_s, decided)
    for seconds, samples in steps:
        now_s, decided = now_s + seconds, decided + samples
        rate.add(now_s, decided)
    overall = rate.overall_per_second()
    assert (overall is None) or decided / now_s <= overall <= max(5.0, decided)


def test_an_obstacle_is_shown_once_it_lasts_and_never_after_it_is_gone():
    lasting = Lasting()
    assert lasting.of(0, ("no sink",)) == ()
    assert lasting.of(OBSTACLE_AFTER_S, ("no sink", "no producer")) == ("no sink",)
    assert lasting.of(OBSTACLE_AFTER_S + 1, ("no producer",)) == ()
    assert lasting.of(2 * OBSTACLE_AFTER_S + 1, ("no producer", "no sink")) == ("no producer",)


@pytest.mark.parametrize(("seconds", "text"), [(5.4, "5 s"), (65, "1 min 05 s"), (7260, "2 h 01 min")])
def test_durations_read_as_people_write_them(seconds, text):
    assert duration(seconds) == text


def test_the_last_line_has_the_true_numbers():
    progress = reckon(dataset(accepted=95, rejected=5, saved=90, status="complete"), 100, 0, 0)
    assert outcome_line(progress) == "Generation complete: 95 samples, 90 IQ samples saved to MinIO"
    cancelled = reckon(dataset(accepted=5, status="cancelled"), 100, 0, 0)
    assert outcome_line(cancelled) == "Test: cancelled at 5 of 100 samples"


def test_watching_outlasts_an_outage_and_ends_with_one_that_does_not_end():
    outages = Outages()
    outages.note(0.0, OSError("away"))
    outages.note(OUTAGE_ALLOWED_S, OSError("away"))
    outages.end()
    outages.note(OUTAGE_ALLOWED_S + 1, OSError("away again"))
    with pytest.raises(Unreachable, match="away still"):
        outages.note(2 * OUTAGE_ALLOWED_S + 2, OSError("away still"))


def test_a_dataset_of_which_every_sample_failed_is_no_success_and_says_so():
    failed = dataset(requested=7, failed=7, status="complete")
    assert outcome_line(reckon(failed, 7, 0, 0)) == "Test: complete, but all 7 samples failed"
    with pytest.raises(Failed, match="every sample of 'Test' failed: `iqstream datasets show d` says why"):
        require_success(failed)


@pytest.mark.parametrize("counts", [{"accepted": 1, "failed": 6}, {"rejected": 1, "failed": 6}, {"rejected": 7}])
def test_one_sample_that_did_not_fail_is_a_success(counts):
    require_success(dataset(requested=7, status="complete", **counts))


def test_a_dataset_cancelled_before_its_first_sample_has_not_failed():
    require_success(dataset(requested=7, status="cancelled"))
