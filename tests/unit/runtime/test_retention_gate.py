"""The gate goes by the broker's last answer, and never makes a stage wait for the next."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from iqstream.runtime import retention_gate
from iqstream.runtime.metrics import Metrics
from iqstream.runtime.retention_gate import RetentionGate, sink_gate
from iqstream.runtime.setting_values import retention_bytes
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import FEATURES, topic_specs


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


async def test_features_are_waited_for_only_where_their_topic_may_drop_some():
    def settings(**bound):
        return Settings(
            kafka_bootstrap="", postgres_dsn="", s3_endpoint="", s3_access_key="", s3_secret_key="", **bound
        )

    def features(given):
        return next(spec.config for spec in topic_specs(given) if spec.name == FEATURES)

    async with sink_gate(settings(), None, None, Metrics("test")) as gate:
        assert gate is None
    assert features(settings())["retention.bytes"] == "-1"
    bounded = settings(features_retention_bytes=64 * 1024 * 1024)
    assert isinstance(sink_gate(bounded, None, None, Metrics("test")), AbstractAsyncContextManager)
    kept, file = (int(features(bounded)[name]) for name in ("retention.bytes", "segment.bytes"))
    assert (kept, file) == (64 * 1024 * 1024, 8 * 1024 * 1024)


@pytest.mark.parametrize(("text", "read"), [("-1", -1), ("1048576", 1048576)])
def test_a_retention_is_written_as_kafka_writes_it(text, read):
    assert retention_bytes(text) == read


@pytest.mark.parametrize("text", ["-2", "0", "1048575", "", "1e9"])
def test_a_retention_that_keeps_next_to_nothing_is_refused(text):
    with pytest.raises(ValueError, match="whole number from 1048576"):
        retention_bytes(text)
