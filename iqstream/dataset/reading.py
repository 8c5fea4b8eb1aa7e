"""From the log to batches: runs of all partitions in a fixed order, judged and cut."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from iqstream.dataset.batcher import Batcher, Emission
from iqstream.dataset.judging import Judging
from iqstream.dataset.log import Log
from iqstream.dataset.position import Positions
from iqstream.dataset.reader import PartitionReader, Run
from iqstream.runtime.span_reader import StallWatch


async def runs(log: Log, readers: Mapping[int, PartitionReader], positions: Positions) -> AsyncIterator[Run]:
    """Runs of all partitions. Where all have an end they take turns window by window, in the same order every time."""
    waiting = deque(partition for partition, reader in readers.items() if not reader.finished)
    if not waiting:
        return
    in_turn = all(position.end is not None for position in positions.values())
    ready: dict[int, deque[Run]] = {partition: deque() for partition in waiting}
    read_to = {partition: positions[partition].read_from for partition in waiting}
    await log.seek(read_to, {partition: positions[partition].end for partition in waiting})
    watch = StallWatch(log.topic)
    while True:
        for run in _in_turn(waiting, ready, readers) if in_turn else _as_they_come(ready):
            yield run
        if not waiting:
            return
        short = [partition for partition, queue in ready.items() if not queue and not readers[partition].finished]
        for partition, chunk in (await log.fetch(short)).items():
            ready[partition].extend(readers[partition].feed(chunk.records, chunk.next_offset))
            read_to[partition] = chunk.next_offset
        if in_turn:
            watch.see(read_to)


def _in_turn(waiting: deque[int], ready: Mapping[int, deque[Run]], readers: Mapping[int, PartitionReader]) -> list[Run]:
    """Takes a run of each waiting partition in turn, until one has none ready."""
    found = []
    while waiting and ready[waiting[0]]:
        partition = waiting.popleft()
        found.append(ready[partition].popleft())
        if ready[partition] or not readers[partition].finished:
            waiting.append(partition)
    return found


def _as_they_come(ready: Mapping[int, deque[Run]]) -> list[Run]:
    found = [run for queue in ready.values() for run in queue]
    for queue in ready.values():
        queue.clear()
    return found


async def emissions(source: AsyncIterator[Run], judging: Judging, batcher: Batcher) -> AsyncGenerator[Emission, None]:
    """What the batcher makes of the runs, judged."""
    async for run in source:
        await judging.learn(run.samples)
        judged, wanted = judging.judge(run.samples)
        batcher.add(run, judged, wanted, run.left_out + judging.left_out(judged))
        for emission in batcher.batches():
            yield emission
    for emission in batcher.batches(flush=True):
        yield emission
