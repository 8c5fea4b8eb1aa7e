"""A partition has one owner in a worker, whatever its clients make of a cancellation."""

import asyncio

import pytest
from aiokafka import TopicPartition

from iqstream.runtime import shell as shell_module
from iqstream.runtime.errors import Failed, NoPosition
from iqstream.runtime.metrics import Metrics
from iqstream.runtime.shell import StageShell
from tests.fake_consumer import record as log_record

PARTITION = TopicPartition("input", 0)


class Consumer:
    """What the shell asks of it before there is a position."""

    def pause(self, *_partitions):
        pass

    def assignment(self):
        return {PARTITION}


class Taking:
    """An owner that takes over for as long as it is left to; then it says what a client may say."""

    def __init__(self, begun, says):
        self._begun = begun
        self._says = says

    async def take_over(self):
        self._begun.append(self)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if isinstance(self._says, Exception):
                raise self._says from None
            return self._says

    async def close(self):
        pass


class Without:
    """An owner whose partition has no position."""

    def __init__(self, partition, begun):
        self._partition, self._begun = partition, begun

    async def take_over(self):
        self._begun.append(self._partition)
        raise NoPosition("group", *self._partition)

    async def close(self):
        pass


async def test_a_partition_without_a_position_is_tried_again_and_ends_nothing(monkeypatch):
    monkeypatch.setattr(shell_module, "POSITION_RETRY_S", 0.01)
    begun = []
    shell = StageShell(
        consumer=Consumer(), topic="input", own=lambda partition: Without(partition, begun), batch_records=1,
        metrics=Metrics("test"),
    )  # fmt: skip
    await shell.on_partitions_assigned({PARTITION})
    async with asyncio.timeout(20):
        while len(begun) < 3:
            await asyncio.sleep(0.01)
    assert not shell._failure.done()
    await shell.on_partitions_revoked({PARTITION})


SAID = {"an outage": ConnectionError("away"), "a position": 7, "a failure of ours": Failed("there is no offset")}


@pytest.mark.parametrize("says", SAID.values(), ids=SAID)
async def test_a_revoked_owner_whose_cancellation_is_swallowed_does_not_go_on_beside_the_next(says):
    begun = []
    shell = StageShell(
        consumer=Consumer(), topic="input", own=lambda _partition: Taking(begun, says), batch_records=1,
        metrics=Metrics("test"),
    )  # fmt: skip
    await shell.on_partitions_assigned({PARTITION})
    await asyncio.sleep(0)
    await shell.on_partitions_revoked({PARTITION})
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not shell._failure.done()
    await shell.on_partitions_assigned({PARTITION})
    await asyncio.sleep(0)
    assert len(begun) == 2
    await shell.on_partitions_revoked({PARTITION})
    assert asyncio.all_tasks() == {asyncio.current_task()}


class Log:
    """A partition of a log; what is fetched while it is paused is none."""

    def __init__(self, records):
        self._records, self._paused, self.looked = list(records), True, asyncio.Event()

    def pause(self, *_partitions):
        self._paused = True

    def resume(self, *_partitions):
        self._paused = False

    def seek(self, _partition, _offset):
        pass

    async def getmany(self, partition, *, timeout_ms, max_records=None):
        await asyncio.sleep(0)
        if self._paused or not self._records:
            self.looked.set()
            await asyncio.sleep(0.001)
            return {}
        found, self._records = self._records[:max_records], self._records[max_records:]
        return {partition: found}


class Handling:
    """An owner that notes what it handles."""

    def __init__(self, handled):
        self.handled = handled

    async def take_over(self):
        return 0

    async def handle(self, records):
        self.handled += [one.offset for one in records]

    async def idle(self, _next_offset):
        pass

    async def close(self):
        pass


class Gate:
    """Holds some offsets until it is opened."""

    def __init__(self, held):
        self.held = held

    def holds(self, record):
        return record.offset in self.held


async def test_a_gate_holds_the_record_that_it_means_and_lets_those_before_it_pass_in_order():
    handled, gate, log = [], Gate({2}), Log(log_record(PARTITION, offset) for offset in range(4))
    shell = StageShell(
        consumer=log, topic="input", own=lambda _partition: Handling(handled), batch_records=1,
        metrics=Metrics("test"), gate=gate,
    )  # fmt: skip
    await shell.on_partitions_assigned({PARTITION})
    async with asyncio.timeout(20):
        await log.looked.wait()
        assert handled == [0, 1]
        gate.held = set()
        while len(handled) < 4:
            await asyncio.sleep(0.001)
    assert handled == [0, 1, 2, 3]
    await shell.on_partitions_revoked({PARTITION})


async def test_a_record_that_waits_at_the_gate_of_a_revoked_partition_is_not_handled():
    handled, log = [], Log([log_record(PARTITION, 0)])
    shell = StageShell(
        consumer=log, topic="input", own=lambda _partition: Handling(handled), batch_records=1,
        metrics=Metrics("test"), gate=Gate({0}),
    )  # fmt: skip
    await shell.on_partitions_assigned({PARTITION})
    async with asyncio.timeout(20):
        await log.looked.wait()
        await shell.on_partitions_revoked({PARTITION})
    assert handled == []
