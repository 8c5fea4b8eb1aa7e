"""Stages whose workers emit without transactions: what exactly once costs is the difference to these.

`python -m iqstream.bench.at_least_once STAGE --workers N` is the service, and the worker when it is started by that.
Results are sent, then the position is committed: a kill between the two doubles records.
"""

import asyncio
import os
import runpy
import signal
import sys
from collections.abc import Sequence

from aiokafka import TopicPartition

from iqstream.runtime import transactions
from iqstream.runtime.aiokafka_internals import OpenProducer
from iqstream.runtime.batch_building import Batch
from iqstream.runtime.kafka import MAX_REQUEST_BYTES, REQUEST_TIMEOUT_MS, security
from iqstream.runtime.kafka_protocol import CommittedOffset
from iqstream.runtime.logs import configure_logs
from iqstream.runtime.settings import Settings, load_settings
from iqstream.runtime.stages import SINK, STAGES
from iqstream.runtime.standing_position import Standing
from iqstream.runtime.transactional_producer import BATCH_BYTES
from iqstream.runtime.transactions import Result, TransactionalTransform
from iqstream.runtime.workers import supervise

MODULE = "iqstream.bench.at_least_once"
COMMAND: Sequence[str] = (sys.executable, "-m", MODULE)
_STAGE = "IQSTREAM_BENCH_STAGE"


class PlainProducer(OpenProducer):
    """Sends; what a transaction needs besides does nothing."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            bootstrap_servers=settings.kafka_bootstrap,
            acks="all",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            max_request_size=MAX_REQUEST_BYTES,
            **security(settings),
        )
        self.fill_batches(lambda: Batch(BATCH_BYTES, transactional=False))

    async def standing_position(self, committed: CommittedOffset) -> Standing:
        """Nothing was aborted, and what is measured begins nothing."""
        return Standing(committed.offset, ())

    async def ends_at(self, _place: TopicPartition, _offset: int) -> bool:
        """Not asked: what is measured begins nothing."""
        return False

    async def settle(self) -> None:
        """Nothing was committed."""

    async def let_go(self) -> None:
        """Ends it."""
        await self.stop()


class AtLeastOnce(TransactionalTransform):
    """Sends what becomes of a batch, then commits the position as any consumer does."""

    async def _commit(self, results: Sequence[Result], next_offset: int) -> None:
        await self._send(results)
        await self._consumer.commit({self._partition: next_offset})
        self._position = next_offset


def _plain(settings: Settings, *_transaction: object, **_more: object) -> PlainProducer:
    return PlainProducer(settings)


def work(stage: str) -> None:
    """One worker; the sink's results are in PostgreSQL, and it is as always."""
    if stage != SINK.name:
        for name, ours in (("TransactionalTransform", AtLeastOnce), ("transactional_producer", _plain)):
            setattr(transactions, name, ours)
    runpy.run_module(stage, run_name="__main__")


async def serve(stage: str, workers: int) -> None:
    """The service."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await supervise(
        MODULE,
        group=STAGES[stage].group,
        workers=workers,
        settings=load_settings(warn=False),
        stop=stop,
        kill=asyncio.Event(),
        environ=os.environ | {_STAGE: stage},
    )


if __name__ == "__main__":
    if _STAGE in os.environ:
        work(os.environ[_STAGE])
    else:
        configure_logs("text")
        asyncio.run(serve(sys.argv[1], int(sys.argv[3])))
