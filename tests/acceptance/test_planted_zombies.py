"""The fault harness finds bugs: with a guarantee taken out it fails, and in the same moment with it, it does not."""

import pytest

from tests.faults.conftest import planted, quiet_client  # noqa: F401  # fixtures

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1800)]

STALE = "client_hands_out_stale_records"
FROZEN = "frozen_in_mid_batch"
INTERLEAVED = "killed_between_interleaved_samples"


@pytest.mark.parametrize(
    ("faults", "bug", "condition", "traces"),
    [
        (("extractor worker killed",), "unchecked_offsets", STALE, ("moved back", "doubled")),
        (("record refused by the broker",), "unawaited_sends", "none", ("`record refused by the broker`: not over",)),
        (("sink killed between interleaved samples",), "no_ledger", INTERLEAVED, ("never complete", "differ")),
        (("extractor frozen in mid-batch",), "no_fencing", FROZEN, ("moved back", "doubled")),
        (("sink frozen in mid-batch",), "no_owner_epoch", FROZEN, ("moved back",)),
    ],
    ids=["expected-offset", "awaited-sends", "ledger", "fencing", "owner-epoch"],
)
async def test_a_guarantee_is_needed_and_enough(planted, faults, bug, condition, traces):  # noqa: F811
    assert await planted.problems(*faults, condition=condition) == []
    problems = await planted.problems(*faults, bug=bug, condition=condition)
    print(bug, problems)
    assert any(trace in problem for problem in problems for trace in traces), problems
