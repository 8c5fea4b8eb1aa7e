"""A submission that is cut off is gone on with, every shard once."""

import pytest

from iqstream.catalogue.dataset_status import set_status
from iqstream.catalogue.datasets import get_dataset
from iqstream.reach import postgres_pool
from iqstream.runtime.errors import Unreachable
from iqstream.submit import submission
from tests.integration.pipeline import small_spec, submitted_shards

pytestmark = pytest.mark.stack


async def test_a_submission_cut_off_in_the_middle_is_resumed_with_every_shard_once(settings, monkeypatch):
    spec = small_spec(20)
    whole = submission.shards

    def cut_off(spec):
        for number, shard in enumerate(whole(spec)):
            if number == 7:
                raise ConnectionResetError("cut off")
            yield shard

    monkeypatch.setattr(submission, "SHARDS_PER_TRANSACTION", 3)
    async with postgres_pool(settings) as pool:
        with monkeypatch.context() as broken:
            broken.setattr(submission, "shards", cut_off)
            with pytest.raises(Unreachable, match=f"iqstream datasets resume {spec.dataset_id}"):
                await submission.submit(settings, pool, spec)
        assert (await get_dataset(pool, spec.dataset_id)).status == "submitting"
        assert await submission.resume(settings, pool, spec) == 4  # 2 transactions of 3 of the 10 stood
        assert await submission.resume(settings, pool, spec) == 0
        assert (await get_dataset(pool, spec.dataset_id)).status == "running"
        await set_status(pool, spec.dataset_id, spec.dataset_version, "cancelled")
    assert await submitted_shards(settings, spec) == dict.fromkeys(range(0, 20, 2), 1)
