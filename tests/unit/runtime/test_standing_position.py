"""A position is gone on from where the records behind it can be read; else its batch is done again."""

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import NotLeaderForPartitionError, OffsetOutOfRangeError, TopicAuthorizationFailedError

from iqstream.runtime import standing_position as module
from iqstream.runtime.kafka_protocol import NO_LEADER, CommittedOffset
from iqstream.runtime.standing_position import MOST_PLACES, metadata_of, standing_position
from tests.record_batches import ABORT, COMMIT, batch, marker

OURS, OTHER = 7, 8
PLACE = TopicPartition("out", 2)
LAST = 10
"""Where the last record of the batch is."""
COMMITTED = CommittedOffset(40, metadata_of(33, OURS, {PLACE: LAST}))


def records(base_offset, count, producer):
    return batch(base_offset, [(0, None, b"value", [])] * count, producer=producer, transactional=True)


class Log:
    """A partition as its leader answers: a batch at a time, from the offset that is asked for."""

    def __init__(self, batches=(), *, stable=0, first=0, errors=(), leaders=()):
        self.batches, self.stable, self.first = dict(batches), stable, first
        self.errors, self.leaders, self.asked = list(errors), list(leaders), []

    async def partition_leaders(self, _client, topics):
        return {topic: {PLACE.partition: self.leaders.pop(0) if self.leaders else 1} for topic in topics}

    async def list_offsets(self, _client, _leaders, _isolation, which):
        return dict.fromkeys(which, self.first)

    async def fetch(self, _client, _leader, place, offset, _isolation, _limit):
        assert place == PLACE
        self.asked.append(offset)
        code = self.errors.pop(0) if self.errors else 0
        later = [at for at in self.batches if at >= offset]
        data = self.batches[min(later)] if later and not code else b""
        return {"error_code": code, "message_set": data, "last_stable_offset": self.stable}


@pytest.fixture
def standing(monkeypatch):
    """Where to go on where the log of the batch's records is this one."""

    async def ask(log, committed=COMMITTED):
        for name in ("partition_leaders", "list_offsets", "fetch"):
            monkeypatch.setattr(module, name, getattr(log, name))
        monkeypatch.setattr(module, "RETRY_S", 0.0)
        return await standing_position(None, committed)

    return ask


@pytest.fixture
def position(standing):
    """The position of it."""

    async def ask(log, committed=COMMITTED):
        return (await standing(log, committed)).position

    return ask


@pytest.mark.parametrize(("end", "expected"), [(COMMIT, 40), (ABORT, 33)])
async def test_the_end_of_the_batchs_transaction_decides(position, end, expected):
    log = Log({11: marker(11, OURS, end)})
    assert await position(log) == expected
    assert log.asked == [11], "the records themselves are not fetched"


async def test_it_is_the_first_of_its_producer_others_between_do_not_count(position):
    log = Log(
        {
            11: records(11, 3, OTHER),
            14: marker(14, OTHER, COMMIT),
            15: marker(15, OURS, ABORT),
            16: records(16, 1, OURS),
            17: marker(17, OURS, COMMIT),
        }
    )
    assert await position(log) == 33
    assert log.asked == [11, 14, 15]


async def test_a_marker_that_is_still_being_written_is_waited_for(position):
    log = Log(stable=8)
    fetch, answers = log.fetch, 0

    async def late(*asked):
        nonlocal answers
        answers += 1
        if answers == 4:
            log.batches[11] = marker(11, OURS, COMMIT)
        return await fetch(*asked)

    log.fetch = late
    assert await position(log) == 40
    assert answers == 4


@pytest.mark.parametrize("stable", [LAST + 1, 500])
async def test_a_record_that_nothing_ended_and_nothing_holds_open_is_not_of_this_log(position, stable):
    assert await position(Log(stable=stable)) == 33


@pytest.mark.parametrize(("first", "expected"), [(LAST + 1, 40), (LAST, 33), (0, 33)])
async def test_what_retention_removed_was_there_what_is_behind_the_end_was_not(position, first, expected):
    assert await position(Log(first=first, errors=[OffsetOutOfRangeError.errno])) == expected


async def test_a_leader_that_moves_is_asked_again_and_a_refusal_is_told(position):
    log = Log({11: marker(11, OURS, ABORT)}, leaders=[NO_LEADER], errors=[NotLeaderForPartitionError.errno])
    assert await position(log) == 33
    with pytest.raises(TopicAuthorizationFailedError, match="out, partition 2"):
        await position(Log(errors=[TopicAuthorizationFailedError.errno]))


@pytest.mark.parametrize("metadata", ["", "NO_METADATA", "{}", '{"since": "a"}', "5"])
async def test_a_position_that_says_nothing_or_anothers_words_stands(position, metadata):
    assert await position(Log(), CommittedOffset(40, metadata)) == 40


def test_a_batch_without_records_says_nothing():
    assert metadata_of(33, OURS, {}) == ""


@pytest.mark.parametrize("position", [33, 40], ids=["a batch that moved nothing", "a batch"])
@pytest.mark.parametrize(("end", "aborted"), [(COMMIT, False), (ABORT, True)])
async def test_what_is_begun_is_told_of_the_position_and_of_the_one_before_its_batch(standing, position, end, aborted):
    committed = CommittedOffset(position, metadata_of(33, OURS, {PLACE: LAST}, [31, 36], [30, 31]))
    found = await standing(Log({11: marker(11, OURS, end)}), committed)
    assert (found.position, list(found.first_offsets)) == ((33, [30, 31]) if aborted else (position, [31, 36]))
    unsent = CommittedOffset(position, metadata_of(33, OURS, {}, [31, 36], [30, 31]))
    assert list((await standing(Log(), unsent)).first_offsets) == [31, 36]


@pytest.mark.parametrize("metadata", ["", "{}", COMMITTED.metadata])
async def test_nothing_is_begun_where_a_position_does_not_say_so(standing, metadata):
    log = Log({11: marker(11, OURS, COMMIT)})
    assert list((await standing(log, CommittedOffset(40, metadata))).first_offsets) == []


def test_what_is_said_fits_however_many_partitions_there_are():
    longest = 2**40
    places = {TopicPartition("heimdall." + "x" * 240, number): longest for number in range(1000, 3000)}
    begun = range(longest - 1_100, longest - 1_000)
    assert len(metadata_of(longest, longest, places, begun, begun)) < 4096
    assert metadata_of(1, 2, places).count(str(longest)) == MOST_PLACES
