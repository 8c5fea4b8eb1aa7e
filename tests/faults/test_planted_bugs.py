"""The fault harness can fail; `make acceptance` shows it for every guarantee, with the same run in order beside it."""

import pytest

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


async def test_workers_that_do_not_check_offsets_are_found_out(planted):
    problems = await planted.problems(
        "extractor worker killed", bug="unchecked_offsets", condition="client_hands_out_stale_records"
    )
    assert any("moved back" in problem or "doubled" in problem for problem in problems), problems
