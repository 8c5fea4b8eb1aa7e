"""Logs of feature records as a partition holds them, and readers that are stopped and started again."""

from bisect import bisect_left

import numpy as np

from iqstream.dataset.join import PartitionJoin
from iqstream.dataset.position import Position
from iqstream.dataset.reader import PartitionReader, Shuffle
from iqstream.dataset.record_batches import Records
from iqstream.dataset.recording import Places
from schemas import encode
from tests.sink_samples import make_spec, whole_sample


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
