"""When a partition counts as having work, and from when a stage's silence counts as standstill."""

import asyncio

import pytest
from aiokafka import TopicPartition

from iqstream.bench.watch import Reading, Watch
from iqstream.runtime.kafka_protocol import CommittedOffset
from iqstream.runtime.settings import Settings
from iqstream.runtime.standing_position import metadata_of

FIRST, SECOND = TopicPartition("iq.frames", 0), TopicPartition("iq.frames", 1)


def both(offsets):
    return dict(zip((FIRST, SECOND), offsets, strict=True))


class Scene:
    """A watch that is told its readings: positions and ends of two partitions."""

    def __init__(self):
        self.watch = Watch(Settings)

    async def see(self, positions, ends):
        now_s = asyncio.get_running_loop().time()
        await self.watch.take(Reading(now_s, both(positions), both(ends)))
        for _ in range(5):
            await asyncio.sleep(0)
        return now_s

    async def wait(self):
        waiting = asyncio.create_task(self.watch.went_on([FIRST, SECOND], deadline_s=5))
        await asyncio.sleep(0.001)
        return waiting


def test_a_trailing_marker_is_no_work_and_a_record_with_its_marker_is():
    reading = Reading(0.0, {FIRST: 9, SECOND: 8}, {FIRST: 10, SECOND: 10})
    assert not reading.has_work(FIRST)
    assert reading.has_work(SECOND)


async def test_every_partition_that_had_work_must_move_and_the_wait_counts_from_its_beginning():
    scene = Scene()
    waiting = await scene.wait()
    await scene.see((0, 0), (5, 5))
    await scene.see((5, 0), (5, 5))
    assert not waiting.done()
    moved_s = await scene.see((5, 5), (5, 5))
    went_on = await waiting
    assert (went_on.at_s, went_on.idle_until_s) == (moved_s, None)


async def test_where_there_was_no_work_the_wait_counts_from_when_some_came():
    scene = Scene()
    waiting = await scene.wait()
    await scene.see((4, 5), (5, 5))
    await scene.see((4, 5), (5, 5))
    came_s = await scene.see((4, 5), (5, 9))
    assert not waiting.done()
    moved_s = await scene.see((4, 9), (5, 9))
    went_on = await waiting
    assert (went_on.at_s, went_on.idle_until_s) == (moved_s, came_s)
    assert came_s < moved_s


@pytest.mark.parametrize(
    ("before", "after", "again"),
    [((20, 12), (16, 12), True), ((20, 12), (18, 16), True), ((20, 12), (12, 4), False), ((20, None), (16, 12), False)],
    ids=["from its beginning", "further on", "before it", "of another tool"],
)
async def test_a_position_moves_back_unless_it_goes_over_its_last_batch_again(before, after, again):
    watch = Watch(Settings)
    for offset, since in (before, after):
        metadata = "" if since is None else metadata_of(since, 1, {SECOND: 5})
        await watch.take(Reading(0.0, {FIRST: offset}, {}, {FIRST: CommittedOffset(offset, metadata)}))
    told = [f"iq.frames-0 from {before[0]} to {after[0]}"]
    assert (watch.done_again, watch.moved_back) == ((told, []) if again else ([], told))
