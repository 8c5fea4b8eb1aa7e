"""The stage shell on a real broker: its rules, one by one, on an input with markers and aborted records."""

import asyncio
import signal

import pytest

from tests.faults.copy_cluster import CopyCluster

pytestmark = pytest.mark.stack


@pytest.fixture
async def cluster(settings):
    made = CopyCluster(settings, partitions=4, seed=11)
    await made.create()
    yield made
    made.stop_all()


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(first, first + count)]


async def test_every_record_comes_out_once_and_the_position_passes_the_markers(cluster):
    await cluster.feed(numbered(300))
    cluster.start_worker(0)
    await cluster.collect(lambda: cluster.outputs.total() >= 300, deadline_s=60)
    assert cluster.outputs == dict.fromkeys(numbered(300), 1)
    async with asyncio.timeout(60):
        while await cluster.committed() != await cluster.ends():  # a drained group shows no backlog
            await asyncio.sleep(0.2)


async def test_kill_9_of_workers_loses_and_doubles_nothing(cluster):
    cluster.work_s = 0.02
    await cluster.feed(numbered(600))
    for slot in range(3):
        cluster.start_worker(slot)
    kills_at = [60, 150, 240, 330, 420, 500]

    def kill_one() -> None:
        if kills_at and len(cluster.outputs) >= kills_at[0]:
            kills_at.pop(0)
            slot = cluster.random.choice(sorted(cluster.workers))
            cluster.kill(slot)
            cluster.start_worker(slot)

    await cluster.collect(lambda: len(cluster.outputs) >= 600, deadline_s=120, on_tick=kill_one)
    assert not kills_at, "the killing was over before the records were"
    assert cluster.outputs == dict.fromkeys(numbered(600), 1)


async def test_a_worker_frozen_past_its_session_comes_back_harmless(cluster):
    cluster.work_s = 0.02
    await cluster.feed(numbered(300))
    for slot in range(2):
        cluster.start_worker(slot)
    frozen = False

    def freeze() -> None:
        nonlocal frozen
        if not frozen and len(cluster.outputs) >= 50:
            frozen = True
            cluster.workers[0].send_signal(signal.SIGSTOP)

    # all records come out although one worker sleeps: its partitions have gone to the other
    await cluster.collect(lambda: len(cluster.outputs) >= 300, deadline_s=60, on_tick=freeze)
    assert frozen
    cluster.workers[0].send_signal(signal.SIGCONT)
    await cluster.feed(numbered(100, first=300))
    await cluster.collect(lambda: len(cluster.outputs) >= 400, deadline_s=60)
    assert cluster.outputs == dict.fromkeys(numbered(400), 1)


async def test_a_record_that_fails_is_kept_and_disturbs_no_other(cluster):
    await cluster.feed([*numbered(20), b"bad", *numbered(20, first=20)])
    cluster.start_worker(0)
    await cluster.collect(lambda: cluster.outputs.total() >= 41, deadline_s=60)
    failed = [value for value in cluster.outputs if value.startswith(b"failed ")]
    assert len(failed) == 1
    assert cluster.outputs == dict.fromkeys([*numbered(40), *failed], 1)
    letters = await cluster.dead_letters()
    assert [value for value, _ in letters] == [b"bad"]
    assert letters[0][1]["error"] == b"ValueError"


async def test_a_record_that_the_broker_refuses_moves_no_offset_before_it_is_kept(cluster):
    await cluster.feed([*numbered(20), b"grow 3000000", *numbered(20, first=20)])
    cluster.start_worker(0)
    await cluster.collect(lambda: cluster.outputs.total() >= 41, deadline_s=60)
    failed = [value for value in cluster.outputs if value.startswith(b"failed ")]
    assert len(failed) == 1
    assert cluster.outputs == dict.fromkeys([*numbered(40), *failed], 1)
    letters = await cluster.dead_letters()
    assert [value for value, _ in letters] == [b"grow 3000000"]
    assert letters[0][1]["error"] == b"MessageSizeTooLargeError"


async def test_sigterm_ends_a_worker_with_exit_0_and_its_work_is_committed(cluster):
    cluster.work_s = 0.02
    await cluster.feed(numbered(400))
    cluster.start_worker(0)
    ended = False

    def stop() -> None:
        nonlocal ended
        if not ended and len(cluster.outputs) >= 100:
            ended = True
            assert cluster.stop(0) == 0
            cluster.start_worker(0)  # the same member: its partitions are its own at once

    await cluster.collect(lambda: len(cluster.outputs) >= 400, deadline_s=90, on_tick=stop)
    assert ended
    assert cluster.outputs == dict.fromkeys(numbered(400), 1)
