"""Which partitions a reader reads: an even share for every worker of every rank, without a group."""

from collections.abc import Sequence


def share_of(partitions: Sequence[int], index: int, count: int) -> tuple[int, ...]:
    """The partitions of reader `index` of `count`; shares differ by one partition at most and cover all exactly once.

    Raises:
        ValueError: there is no such reader.
    """
    if not 0 <= index < count:
        raise ValueError(f"shard: reader {index} of {count}; readers count from 0")
    return tuple(sorted(partitions)[index::count])
