"""What of deleted and old datasets may go: ages, needs and bounds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import click
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.cli.dataset_upkeep import Age
from iqstream.runtime.offsets import Ends
from iqstream.runtime.topics import FEATURES, FRAMES, JOBS
from iqstream.upkeep.cleanup import bound, needs, old_datasets
from tests.integration.pipeline import small_spec
from tests.strategies import SEEDED

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def dataset(**changes):
    spec = small_spec(3)
    made = Dataset(
        id=spec.dataset_id, version=1, name=spec.name, spec=spec, recorded=False, status="complete", requested=3,
        samples=SampleRanges.first(3), grows=False,
        accepted=3, rejected=0, failed=0, iq_samples=0, iq_samples_saved=0, created_at=NOW - timedelta(days=9),
        status_changed_at=NOW - timedelta(days=8), completed_at=NOW - timedelta(days=8),
    )  # fmt: skip
    return replace(made, **changes)


@pytest.mark.parametrize("text", ["30", "d", "-1d", "1.5d", "3 weeks", "9999999d"])
def test_an_age_that_is_none_is_refused_with_what_is_understood(text):
    with pytest.raises(click.BadParameter, match="write 30d, 12h, 90m or 45s"):
        Age().convert(text, None, None)


@pytest.mark.parametrize(("text", "seconds"), [("45s", 45), ("90m", 5400), ("12h", 43_200), ("30d", 2_592_000)])
def test_an_age_is_understood_as_people_write_it(text, seconds):
    assert Age().convert(text, None, None) == timedelta(seconds=seconds)


def test_old_is_what_has_been_finished_for_longer_in_every_version():
    finished = dataset()
    assert old_datasets([finished], timedelta(days=7), NOW) == [finished]
    assert old_datasets([finished], timedelta(days=8), NOW) == []
    assert old_datasets([finished], None, NOW) == []
    running = replace(finished, version=2, status="running", completed_at=None)
    assert old_datasets([finished, running], timedelta(0), NOW) == []
    assert old_datasets([replace(finished, status="deleted")], timedelta(0), NOW) == []


@pytest.mark.parametrize(
    ("status", "recorded", "topics"),
    [
        ("submitting", False, {JOBS, FRAMES, FEATURES}),
        ("running", False, {JOBS, FRAMES, FEATURES}),
        ("complete", False, {FEATURES}),
        ("complete", True, {FRAMES, FEATURES}),
        ("cancelled", False, {FEATURES}),
        ("deleted", True, set()),
    ],
)
def test_a_dataset_needs_what_nobody_can_make_again(status, recorded, topics):
    one = dataset(status=status, recorded=recorded)
    assert {topic for topic in (JOBS, FRAMES, FEATURES) if needs(topic, one)} == topics
    features_only = replace(one, spec=msgspec.structs.replace(one.spec, publish="features"))
    assert recorded or {topic for topic in (JOBS, FRAMES, FEATURES) if needs(topic, features_only)} == topics - {FRAMES}


OFFSETS = st.integers(0, 1_000)


@SEEDED
@given(st.lists(OFFSETS, min_size=3, max_size=3).map(sorted), st.none() | OFFSETS, st.none() | OFFSETS)
def test_no_record_goes_that_is_unread_needed_or_in_an_open_transaction(ends, position, first_needed):
    log_start, end, high_watermark = ends
    before = bound(Ends(log_start=log_start, end=end, high_watermark=high_watermark), position, first_needed)
    assert log_start <= before
    if before > log_start:
        assert before <= min(end, position)
        assert first_needed is None or before <= first_needed
