"""The same spec gives the same rows and objects, however many workers make it."""

import msgspec
import pytest

from tests.integration.pipeline import Pipeline, digest, is_complete, small_spec, submit_dataset, wait_for_dataset

pytestmark = pytest.mark.stack
SAMPLES = 24


async def make(settings, log, *, workers, seed=5):
    spec = msgspec.structs.replace(small_spec(SAMPLES), seed=seed)
    with Pipeline(settings, log, workers=workers).running():
        await submit_dataset(settings, spec)
        await wait_for_dataset(settings, spec, is_complete)
    return await digest(settings, spec)


async def test_one_worker_and_three_workers_make_the_same_and_another_seed_does_not(settings, tmp_path):
    alone = await make(settings, tmp_path / "1.log", workers=1)
    assert await make(settings, tmp_path / "3.log", workers=3) == alone
    assert await make(settings, tmp_path / "other.log", workers=1, seed=6) != alone
