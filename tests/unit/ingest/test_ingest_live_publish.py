"""What waits is published once and in order, whether Kafka goes away before a transaction stands or after it."""

import contextlib
from dataclasses import dataclass

import pytest
from aiokafka.errors import ProducerFenced

from iqstream.ingest.live import publish
from iqstream.ingest.live.publish import LivePublisher
from iqstream.ingest.live.waiting import Waiting
from iqstream.recordings.alignment import AlignedWindows
from iqstream.runtime.errors import Failed
from tests.recorded import recorded_spec
from tests.unit.ingest.test_ingest_live import window_at


@dataclass(frozen=True)
class Record:
    index: int
    identity: str


class Kafka:
    """Keeps records and a position, and fails as told: the n-th transaction before or after it stands."""

    def __init__(self, failures, *, position=0) -> None:
        self.position = position
        self.records = []
        self._failures = list(failures)

    @contextlib.asynccontextmanager
    async def lane(self):
        yield self

    async def wait_for_readers(self):
        pass

    def sample_records(self, index, sample):
        return [Record(index, sample.windows[0].identity)]

    async def publish(self, records, since, until):
        failure = self._failures.pop(0) if self._failures else ""
        if failure == "before":
            raise ConnectionResetError("gone")
        if failure == "fenced":
            raise ProducerFenced
        assert since == self.position
        self.records += records
        self.position = until
        if failure == "after":
            raise TimeoutError("no answer")


def live(kafka, events=None):
    waiting = Waiting()
    told = [] if events is None else events
    return waiting, LivePublisher(kafka, recorded_spec(), waiting, told.append)


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(publish, "AGAIN_AFTER_S", 0.0)
    monkeypatch.setattr(publish, "TRANSACTION_SAMPLES", 2)


@pytest.mark.parametrize(
    "failures", [(), ("before",), ("after",), ("before", "before", "after", "", "after", "before"), ("after",) * 3]
)
async def test_every_sample_is_published_once_and_in_order(failures):
    kafka, events = Kafka(failures, position=7), []
    waiting, publisher = live(kafka, events)
    for number in range(6):
        waiting.put(AlignedWindows(windows=(window_at(1000 + number),), unaligned=""))
    waiting.end()
    await publisher.run(0, decided=7)
    assert [record.index for record in kafka.records] == list(range(7, 13))
    assert len({record.identity for record in kafka.records}) == 6
    assert (publisher.published, publisher.position, publisher.pending) == (6, 13, 0)
    assert bool(events) == bool(failures)


async def test_one_that_was_taken_over_ends_and_one_that_does_not_know_its_place_does_not_begin():
    waiting, publisher = live(Kafka(["fenced"]))
    waiting.put(AlignedWindows(windows=(window_at(1000),), unaligned=""))
    with pytest.raises(Failed, match="taken it over"):
        await publisher.run(0, decided=0)
    _, forgetful = live(Kafka([]))
    with pytest.raises(Failed, match="has forgotten"):
        await forgetful.run(0, decided=3)
    waiting, knowing = live(kafka := Kafka([]))
    kafka.position = 0
    waiting.end()
    await knowing.run(5, decided=5)
    assert knowing.position == 5
