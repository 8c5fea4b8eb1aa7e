"""Logs of feature records as a partition holds them, and readers that are stopped and started again."""

import asyncio
from bisect import bisect_left
from contextlib import asynccontextmanager

import numpy as np

from iqstream.dataset.fetcher import EARLIEST, LATEST, Chunk
from iqstream.dataset.join import PartitionJoin
from iqstream.dataset.log import Log
from iqstream.dataset.position import Position
from iqstream.dataset.reader import PartitionReader, Shuffle
from iqstream.dataset.record_batches import Records
from iqstream.dataset.recording import Places
from iqstream.runtime.settings import Settings
from schemas import encode
from tests.sink_samples import make_spec, whole_sample

NOWHERE = Settings(kafka_bootstrap="", postgres_dsn="", s3_endpoint="", s3_access_key="", s3_secret_key="")


def interleaved_log(rng, samples, *, spec=None, first_offset=0):
    """Records of whole samples, neighbours interleaved, with gaps between offsets as transaction markers leave them."""
    spec = spec or make_spec(samples=max(samples, 1), receivers=3)
    keyed = [(index + rng.uniform(0, 3), record) for index in range(samples) for record in whole_sample(spec, index)]
    offset, log = first_offset, Records([], [])
    for _, record in sorted(keyed, key=lambda pair: pair[0]):
        offset += int(rng.integers(1, 4))
        log.offsets.append(offset)
        log.values.append(encode(record))
    return log, offset + 1


def read(log, position, *, window, seed, stop_after, rng):
    """Feeds the log from a position in pieces of any size; sample indices in order and where it stopped."""
    shuffle = None if seed is None else Shuffle(seed=seed, epoch=0)
    join = PartitionJoin(Places(), None, {})
    reader = PartitionReader(3, position, join, window=window, shuffle=shuffle)
    given: list[int] = []
    at = bisect_left(log.offsets, position.read_from)
    while position.end > position.window:
        size = int(rng.integers(1, 12))
        piece = Records(log.offsets[at : at + size], log.values[at : at + size])
        at += size
        more = log.offsets[at] if at < len(log.offsets) else position.end
        for run in reader.feed(piece, more):
            for passed in range(run.skip, len(run.order)):
                given.append(run.samples[run.order[passed]].key.sample_idx)
                position = run.position(passed + 1)
                if len(given) >= stop_after:
                    return given, position
            position = run.after
    return given, position


def whole_read(log, end, *, window, seed):
    """Everything, without a stop."""
    return read(log, Position.at(0, end), window=window, seed=seed, stop_after=10**9, rng=np.random.default_rng(1))[0]


class MemoryTopic:
    """A topic in memory; `partitions` are records with the offset at which each ends. Takes the place of a fetcher."""

    def __init__(self, partitions, *, begins=None, dataset_id=None):
        self.partitions = dict(enumerate(partitions))
        self.topic_id = "00000000-0000-4000-8000-000000000001"
        self.begins = begins or {}
        self.dataset_id = dataset_id

    @asynccontextmanager
    async def open_log(self, _settings, topic, *, stopping=lambda: False):
        yield Log(MemoryFetcher(self), topic, sorted(self.partitions), stopping, topic_id=self.topic_id)


class MemoryFetcher:
    """What a `Log` reads a `MemoryTopic` with."""

    def __init__(self, topic):
        self._topic = topic
        self._next = {}

    async def find(self, partitions, when):
        ends = {partition: self._topic.partitions[partition][1] for partition in partitions}
        return {EARLIEST: {p: self._topic.begins.get(p, 0) for p in ends}, LATEST: ends}.get(
            when, dict.fromkeys(ends, -1)
        )

    async def start(self, offsets, _ends):
        self._next = dict(offsets)

    async def stop(self):
        self._next = {}

    async def fetch(self, partitions, timeout_s):
        landed = {}
        for partition in partitions:
            records, end = self._topic.partitions[partition]
            first = bisect_left(records.offsets, self._next[partition])
            if self._next[partition] < end:
                offsets, values = records.offsets[first : first + 7], records.values[first : first + 7]
                more = first + 7 < len(records.offsets)
                self._next[partition] = records.offsets[first + 7] if more else end
                landed[partition] = Chunk(Records(offsets, values), self._next[partition])
        await asyncio.sleep(0 if landed else timeout_s)
        return landed


def memory_topic(samples, *, partitions=3, seed=0, rejected=()):
    """Whole samples over the partitions by number, those of a partition interleaved, some too weak."""
    spec = make_spec(samples=max(samples, 1), receivers=3)
    rng = np.random.default_rng(seed)
    logs = []
    for partition in range(partitions):
        mine = range(partition, samples, partitions)
        keyed = [
            (at + rng.uniform(0, 3), record)
            for at, index in enumerate(mine)
            for record in whole_sample(spec, index, snr_db=-20.0 if index in rejected else 20.0)
        ]
        offset, log = 0, Records([], [])
        for _, record in sorted(keyed, key=lambda pair: pair[0]):
            offset += int(rng.integers(1, 4))
            log.offsets.append(offset)
            log.values.append(encode(record))
        logs.append((log, offset + 1))
    return MemoryTopic(logs, dataset_id=spec.dataset_id)
