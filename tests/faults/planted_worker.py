"""A worker of any stage with one guarantee taken out of it, and with the rare moment in which that guarantee is needed.

PLANTED_BUG names what is taken out, PLANTED_CONDITION what is made to happen, PLANTED_STAGE the stage.
"""

import asyncio
import os
import signal
from collections import Counter
from functools import partial
from pathlib import Path

from aiokafka import AIOKafkaConsumer

import extractor.service
import iqstream.catalogue.postgres
import producer.service
import sink.partition
import sink.service
from extractor.pairs.record import pair_record
from extractor.record import feature_record
from iqstream.runtime import inbox, transactions
from iqstream.runtime.worker import run_worker
from producer.synthesize import synthesize_sample
from sink.join import sample_of

STALE_OFFSETS = 20
FEW_RECORDS = 3


def unchecked_offsets():
    """Whatever the client hands out is taken for the next records."""

    async def fetch(self, max_records):
        fetched = await self._consumer.getmany(self._partition, timeout_ms=300, max_records=max_records)
        return fetched.get(self._partition, [])

    inbox.Inbox.fetch = fetch


def unawaited_sends():
    """A record counts as sent when the client has taken it."""

    async def send(self, results):
        for result in results:
            for outgoing in result.records:
                acknowledged = await self._producer.send(
                    outgoing.topic, outgoing.value, key=outgoing.key, headers=list(outgoing.headers)
                )
                acknowledged.add_done_callback(transactions.retrieve)

    transactions.TransactionalTransform._send = send


def no_fencing():
    """Every process has transactional ids of its own."""
    shared = transactions.transactional_id
    transactions.transactional_id = lambda group, partition: f"{shared(group, partition)}-{os.getpid()}"


def no_owner_epoch():
    """A partition's offset in PostgreSQL is anybody's to move."""
    iqstream.catalogue.postgres.QUERIES["store_offset"] = iqstream.catalogue.postgres.QUERIES["store_offset"].replace(
        "owner_epoch = $4", "$4::bigint IS NOT NULL"
    )


def no_ledger():
    """What was decided before is not asked."""

    async def read_ledger(_connection, _samples):
        return {}

    sink.partition.read_ledger = read_ledger


def client_hands_out_stale_records():
    """After a seek come records from before it, as from a client that had fetched ahead for the last owner."""
    seek = AIOKafkaConsumer.seek

    def seek_early(self, partition, offset):
        seek(self, partition, max(0, offset - STALE_OFFSETS))

    AIOKafkaConsumer.seek = seek_early


def frozen_in_mid_batch():
    """One worker is stopped just before it commits, and what it had begun goes through when it is continued.

    Its heartbeat may tell it first that it is replaced, and its producer is then closed: not before the commit is over.
    """
    late = set()
    for owner in (transactions.TransactionalTransform, sink.partition.SinkPartition):
        owner._commit = _frozen_once(owner._commit, late)
    transactions.TransactionalTransform.close = _after(late, transactions.TransactionalTransform.close)


def _frozen_once(commit, late):
    async def frozen(self, work, *arguments, **named):
        if work and _it_is_us():
            os.kill(os.getpid(), signal.SIGSTOP)
            going_through = asyncio.ensure_future(commit(self, work, *arguments, **named))
            late.add(going_through)
            return await asyncio.shield(going_through)
        return await commit(self, work, *arguments, **named)

    return frozen


def _after(late, close):
    async def closed(self):
        if late:
            await asyncio.wait(late)
        await close(self)

    return closed


def killed_between_interleaved_samples():
    """One sample's records stand around others', and the sink dies having decided one that it must read again."""
    send, fetch = transactions.TransactionalTransform._send, inbox.Inbox.fetch
    commit = sink.partition.SinkPartition._commit
    seen = {}

    async def last_first(self, results):
        await send(self, [*results[-1:], *results[:-1]])

    async def few(self, max_records):
        return await fetch(self, min(max_records, FEW_RECORDS))

    async def killed_once(self, arrived, next_offset, **named):
        await commit(self, arrived, next_offset, **named)
        read = seen.setdefault(self, [])
        read += [(one.source.offset, sample_of(one.message), one.message) for one in arrived if one.message is not None]
        to_come = Counter(sample for offset, sample, _ in read if offset >= self._stored_offset)
        whole = {sample for _, sample, message in read if to_come[sample] == message.receivers_expected}
        if whole - self._join.open_samples() and _it_is_us():
            os.kill(os.getpid(), signal.SIGKILL)

    transactions.TransactionalTransform._send = last_first
    sink.partition.SinkPartition._commit = killed_once
    if os.environ["PLANTED_STAGE"] == "sink":
        inbox.Inbox.fetch = few


def _it_is_us() -> bool:
    """True for the first who asks after the test has put the file there: it is taken away by that."""
    place = Path(os.environ["PLANTED_FREEZE"])
    try:
        place.with_suffix(f".{os.environ['PLANTED_STAGE']}").rename(place.with_suffix(f".frozen-{os.getpid()}"))
    except FileNotFoundError:
        return False
    return True


SERVE = {
    "producer": partial(producer.service.serve, extract=feature_record, measure_pairs=pair_record),
    "extractor": extractor.service.serve,
    "sink": partial(sink.service.serve, synthesize=synthesize_sample),
}

if __name__ == "__main__":
    for planted in (os.environ["PLANTED_BUG"], os.environ["PLANTED_CONDITION"]):
        if planted != "none":
            globals()[planted]()
    stage = os.environ["PLANTED_STAGE"]
    run_worker(stage, SERVE[stage])
