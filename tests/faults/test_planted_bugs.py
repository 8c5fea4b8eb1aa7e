"""The fault harness finds bugs: with a guarantee taken out of the workers it must fail, and only then."""

import pytest

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


EXPECTED = {
    "unchecked offsets": ("moved back", "doubled"),
    "unawaited sends": ("`record refused by the broker`: not over in time",),
    "no ledger": ("never complete", "differ"),
}
"""What the harness must say of each."""


async def test_bugs_are_found_and_their_conditions_alone_do_no_harm(planted):
    """One test, so that the servers start once."""
    found = {
        "no bug": await planted.problems("extractor worker killed", condition="client_hands_out_stale_records"),
        "unchecked offsets": await planted.problems(
            "extractor worker killed", bug="unchecked_offsets", condition="client_hands_out_stale_records"
        ),
        "unawaited sends": await planted.problems("record refused by the broker", bug="unawaited_sends"),
        "no ledger": await planted.problems("sink worker killed", "sink worker killed", bug="no_ledger"),
    }
    assert found.pop("no bug") == []
    for bug, traces in EXPECTED.items():
        assert any(trace in problem for problem in found[bug] for trace in traces), (bug, found[bug])
