"""Which partitions a reader reads: an even share for every worker of every rank, without a group."""

from collections.abc import Sequence
from typing import Any

from iqstream.dataset.place import whole_number
from iqstream.runtime.errors import UserError


def checked_shard(shard: Any) -> tuple[int, int]:  # noqa: ANN401  # whatever was given
    """Reader `index` of `count`. Raises UserError where there is no such reader."""
    if not isinstance(shard, tuple | list) or len(shard) != 2:
        raise UserError(f"shard: {shard!r} is not (index, count)")
    index, count = whole_number("shard: index", shard[0]), whole_number("shard: count", shard[1])
    if index >= count:
        raise UserError(f"shard: reader {index} of {count}; readers count from 0")
    return index, count


def share_of(partitions: Sequence[int], index: int, count: int) -> tuple[int, ...]:
    """The partitions of reader `index` of `count`; shares cover all once, and differ by one partition at most."""
    return tuple(sorted(partitions)[index::count])
