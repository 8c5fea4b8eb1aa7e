"""Records on their way to Kafka, and the one kind that every stage writes: the dead letter."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from aiokafka import AIOKafkaProducer, ConsumerRecord

from iqstream.runtime.topics import DEAD_LETTERS

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRecord:
    """A record to send; its partition follows from its key."""

    topic: str
    key: bytes | None
    value: bytes = field(repr=False)
    headers: Headers = ()


FAILED_SAMPLES = "failed_samples"
"""Header of a dead letter: the indices of those of its samples that failed, where the others did not."""


def dead_letter(
    record: ConsumerRecord, *, topic_id: UUID, stage: str, error: Exception, failed_samples: Sequence[int] = ()
) -> OutgoingRecord:
    """The original bytes as they came, with where they stood and why they were not processed.

    `topic_id` is that of the record's topic: another one of its name has the same offsets. `failed_samples`: of a
    record of several samples, those that failed; none where all of it did.
    """
    failed = ",".join(map(str, failed_samples)).encode()
    origin = f"{record.topic}:{record.partition}:{record.offset}".encode()
    return OutgoingRecord(
        topic=DEAD_LETTERS,
        key=origin,
        value=record.value or b"",
        headers=(
            ("topic_id", str(topic_id).encode()),
            ("origin", origin),
            ("stage", stage.encode()),
            ("error", type(error).__name__.encode()),
            ("message", str(error)[:2000].encode(errors="backslashreplace")),
            ("key", record.key or b""),
            *(((FAILED_SAMPLES, failed),) if failed else ()),
            *(record.headers or ()),
        ),
    )


async def send_all(producer: AIOKafkaProducer, records: Iterable[OutgoingRecord]) -> None:
    """Sends records within a transaction and waits for every one: the client would commit although one had failed.

    Raises:
        KafkaError: of the first that failed.
    """
    sent: list[asyncio.Future[object]] = []
    for record in records:
        acknowledged = await producer.send(record.topic, record.value, key=record.key, headers=list(record.headers))
        acknowledged.add_done_callback(retrieve)
        sent.append(acknowledged)
    for acknowledged in sent:
        await acknowledged


def retrieve(acknowledged: asyncio.Future[object]) -> None:
    """Looks at a send's outcome, so that one abandoned with its batch is not reported as forgotten."""
    if not acknowledged.cancelled():
        acknowledged.exception()
