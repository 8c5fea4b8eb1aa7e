"""The gate goes by the broker's last answer, and never makes a stage wait for the next."""

import asyncio

import pytest

from iqstream.runtime import retention_gate
from iqstream.runtime.metrics import Metrics
from iqstream.runtime.retention_gate import RetentionGate


class Gate(RetentionGate):
    """With the shares that a broker answers; after the last of them it hangs."""

    def __init__(self, *shares):
        super().__init__(admin=None, reader=None, topic="t", group="g", record_bytes=1, metrics=Metrics("test"))
        self._shares = list(shares)
        self.hangs = asyncio.Event()

    async def _unread_share(self):
        if not self._shares:
            self.hangs.set()
            await asyncio.Event().wait()
        return self._shares.pop(0)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(retention_gate, "ASK_EVERY_S", 0.0)


@pytest.mark.parametrize(
    ("shares", "closed"), [((0.1,), False), ((0.1, 0.6), True), ((0.6, 0.3), True), ((0.6, 0.2), False)]
)
async def test_while_the_broker_hangs_its_last_answer_stands(shares, closed):
    gate = Gate(*shares)
    async with asyncio.timeout(20), gate.watching():
        await gate.hangs.wait()
        assert gate.closed() is closed


async def test_a_broker_that_hangs_from_the_start_holds_nobody_up_for_longer_than_one_answer(monkeypatch):
    monkeypatch.setattr(retention_gate, "ANSWER_DEADLINE_S", 0.01)
    async with asyncio.timeout(20), Gate().watching() as gate:
        assert not gate.closed()
