"""Which partitions a reader reads: an even share for every worker of every rank, without a group."""

from collections.abc import Sequence

from iqstream.runtime.errors import UserError


def checked_shard(index: int, count: int) -> tuple[int, int]:
    """Reader `index` of `count`. Raises UserError where there is no such reader."""
    if not 0 <= index < count:
        raise UserError(f"shard: reader {index} of {count}; readers count from 0")
    return index, count


def share_of(partitions: Sequence[int], index: int, count: int) -> tuple[int, ...]:
    """The partitions of reader `index` of `count`; shares cover all once, and differ by one partition at most."""
    return tuple(sorted(partitions)[index::count])
