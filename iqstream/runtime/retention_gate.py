"""Backpressure: what is written to a topic waits while its readers are so far behind that retention could drop it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from iqstream.runtime.backlog import unread_offsets
from iqstream.runtime.cluster_topics import topic_configs
from iqstream.runtime.errors import Failed
from iqstream.runtime.metrics import Metrics
from iqstream.runtime.setting_values import UNBOUNDED
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import FEATURE_RECORD_BYTES, FEATURES, SINK_GROUP

log = logging.getLogger(__name__)

CLOSE_ABOVE = 0.5
OPEN_BELOW = 0.25
ASK_EVERY_S = 1.0
ANSWER_DEADLINE_S = 5.0


class RetentionGate:
    """Closes when any partition of `topic` holds more than half of its retention unread by `group`."""

    def __init__(
        self,
        *,
        admin: AIOKafkaAdminClient,
        reader: AIOKafkaConsumer,
        topic: str,
        group: str,
        record_bytes: float,
        metrics: Metrics,
    ) -> None:
        """`record_bytes` is the size to reckon a record with: the largest that is likely."""
        self._admin = admin
        self._reader = reader
        self._topic = topic
        self._group = group
        self._record_bytes = record_bytes
        self._metrics = metrics
        self._closed = False
        self._problem = ""

    def closed(self) -> bool:
        """True while readers must be waited for, by the broker's last answer."""
        return self._closed

    def holds(self, record: ConsumerRecord) -> bool:  # noqa: ARG002  # all that the stage reads becomes of this topic
        """True while the record must wait."""
        return self._closed

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator["RetentionGate"]:
        """Asks the broker every second while the context lasts; the first answer is there when it is entered.

        While the broker does not answer, its last answer stands, and nobody waits for the next.
        """
        await self.ask()
        asking = asyncio.create_task(self._ask_again())
        try:
            yield self
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def ask(self) -> None:
        """Asks once; an answer that does not come in time is none.

        Raises:
            Failed: the broker does not tell us the topic's settings.
        """
        try:
            async with asyncio.timeout(ANSWER_DEADLINE_S):
                self._judge(await self._unread_share())
            self._problem = ""
        except (KafkaError, OSError, TimeoutError) as error:
            self._note(error)

    async def _ask_again(self) -> None:
        while True:
            await asyncio.sleep(ASK_EVERY_S)
            try:
                await self.ask()
            except Failed as error:  # the topic is gone, which others look after
                self._note(error)

    def _note(self, error: Exception) -> None:
        problem = type(error).__name__
        level = logging.DEBUG if problem == self._problem else logging.WARNING
        log.log(level, "backlog of %s is unknown for now: %s %s", self._topic, problem, error)
        self._problem = problem

    async def _unread_share(self) -> float:
        retention_bytes = await self._retention_bytes()
        if retention_bytes < 0:
            return 0.0
        unread = await unread_offsets(self._admin, self._reader, self._topic, self._group)
        return max(unread.values(), default=0) * self._record_bytes / retention_bytes

    async def _retention_bytes(self) -> int:
        configs = await topic_configs(self._admin, [self._topic])
        return int(configs[self._topic]["retention.bytes"])

    def _judge(self, share: float) -> None:
        self._metrics.put("iqstream_unread_share", share, topic=self._topic)
        if not self._closed and share > CLOSE_ABOVE:
            self._closed = True
            log.warning(
                "waiting for readers: a partition of %s is %.0f%% full of unread records; on at %.0f%%",
                self._topic, share * 100, OPEN_BELOW * 100,
            )  # fmt: skip
        elif self._closed and share <= OPEN_BELOW:
            self._closed = False
            log.info("readers of %s have caught up (%.0f%%): going on", self._topic, share * 100)
        self._metrics.put("iqstream_paused", float(self._closed), topic=self._topic)


def sink_gate(
    settings: Settings, admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer, metrics: Metrics
) -> contextlib.AbstractAsyncContextManager[RetentionGate | None]:
    """The gate before `iq.features`, while it is watched; none where everything is kept, so that nothing is lost."""
    if settings.features_retention_bytes == UNBOUNDED:
        return contextlib.nullcontext()
    return RetentionGate(
        admin=admin,
        reader=reader,
        topic=FEATURES,
        group=SINK_GROUP,
        record_bytes=FEATURE_RECORD_BYTES,
        metrics=metrics,
    ).watching()
