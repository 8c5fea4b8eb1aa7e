"""When a partition counts as having work, and from when a stage's silence counts as standstill."""

import asyncio

from aiokafka import TopicPartition

from iqstream.bench.watch import Reading, Watch
from iqstream.runtime.settings import Settings

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
