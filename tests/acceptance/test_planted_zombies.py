"""A worker that is frozen in mid-batch, replaced, and continued: harmless, unless what fences it is taken out."""

import pytest

from tests.faults.conftest import planted, quiet_client  # noqa: F401  # fixtures

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize(("stage", "bug"), [("extractor", "no_fencing"), ("sink", "no_owner_epoch")])
async def test_what_fences_a_zombie_is_needed_and_enough(planted, stage, bug):  # noqa: F811
    fault = f"{stage} frozen in mid-batch"
    assert await planted.problems(fault, condition="frozen_in_mid_batch") == []
    problems = await planted.problems(fault, bug=bug, condition="frozen_in_mid_batch")
    print(problems)
    assert problems
