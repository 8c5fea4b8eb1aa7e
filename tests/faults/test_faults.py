"""A seeded run of faults against the whole pipeline on servers of its own: nothing may come of it."""

import pytest

from iqstream.bench.campaign import run_campaign
from iqstream.bench.faults import KINDS
from iqstream.bench.plan import plan_faults
from iqstream.bench.report import markdown

pytestmark = pytest.mark.stack
SEED = 7
ONE_OF_EACH = (
    "producer worker killed",
    "extractor worker killed",
    "sink worker killed",
    "sink worker frozen",
    "extractor stage killed",
    "producer scaled up and down",
    "extractor restarted",
    "broker killed",
    "broker stopped",
    "database killed",
    "object store killed",
    "database refuses connections",
    "broker slow",
    "record refused by the broker",
)


@pytest.mark.timeout(900)
async def test_whatever_is_killed_frozen_or_cut_off_nothing_is_lost_doubled_or_different(tmp_path):
    steps = plan_faults(len(ONE_OF_EACH), SEED, ONE_OF_EACH)
    result = await run_campaign(tmp_path / "bench", steps, seed=SEED, tell=print)
    print(markdown(result))
    assert {recovery.kind for step in result.steps for recovery in step} == set(ONE_OF_EACH)
    assert result.verdict.samples >= 100
    assert result.problems() == []


def test_a_plan_is_the_same_for_the_same_seed_and_has_every_kind():
    steps = plan_faults(100, SEED)
    assert steps == plan_faults(100, SEED) != plan_faults(100, SEED + 1)
    assert {fault.kind for step in steps for fault in step} == set(KINDS)
    assert sum(len(step) for step in steps) == 100
