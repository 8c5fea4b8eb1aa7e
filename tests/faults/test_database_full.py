"""No room in the database for a row: the sink waits, and once there is room again every sample is decided once."""

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import pytest

from tests.integration.pipeline import Pipeline, digest, is_complete, small_spec, submit_dataset, wait_for_dataset

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]
SAMPLES = 12
REFUSE = """
CREATE SEQUENCE heimdall.refused;
CREATE FUNCTION heimdall.no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('heimdall.refused');  -- which no rollback takes back
    RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
END $$;
CREATE TRIGGER no_room BEFORE INSERT ON heimdall.measurement_features EXECUTE FUNCTION heimdall.no_room();
"""
TAKE = """
DROP TRIGGER no_room ON heimdall.measurement_features;
DROP FUNCTION heimdall.no_room;
DROP SEQUENCE heimdall.refused;
"""


@asynccontextmanager
async def no_room_for_rows(settings):
    """Every INSERT of a row fails as on a full disk; yields how often that was tried."""
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        await connection.execute(REFUSE)
        try:
            yield lambda: connection.fetchval("SELECT last_value FROM heimdall.refused")
        finally:
            await connection.execute(TAKE)
    finally:
        await connection.close()


async def test_a_full_database_holds_the_sink_up_and_loses_and_doubles_nothing(settings, tmp_path):
    undisturbed, disturbed = small_spec(SAMPLES), small_spec(SAMPLES)
    pipeline = Pipeline(settings, tmp_path / "stages.log", workers=1)
    with pipeline.running():
        await submit_dataset(settings, undisturbed)
        await wait_for_dataset(settings, undisturbed, is_complete)
        async with no_room_for_rows(settings) as tried:
            await submit_dataset(settings, disturbed)
            async with asyncio.timeout(60):
                while await tried() < 5:
                    await asyncio.sleep(0.1)
            row = await wait_for_dataset(settings, disturbed, lambda row: True)
            assert row["accepted"] == 0
        row = await wait_for_dataset(settings, disturbed, is_complete)
        assert pipeline.stop() == {"producer": 0, "extractor": 0, "sink": 0}
    assert row["accepted"] + row["rejected"] == SAMPLES
    assert row["failed"] == 0
    assert await digest(settings, disturbed) == await digest(settings, undisturbed)
    assert "No space left on device" in pipeline.log.read_text()
