"""Which samples of a dataset: ranges of indices, as text and as PostgreSQL's int4multirange."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import asyncpg

_RANGE = re.compile(r"([0-9]{1,8})(?:-([0-9]{1,8}))?")


@dataclass(frozen=True, slots=True)
class SampleRanges:
    """Indices in ascending order, none twice, as ranges that do not touch."""

    ranges: tuple[range, ...]

    @classmethod
    def first(cls, samples: int) -> Self:
        """The first so many indices."""
        return cls((range(samples),) if samples else ())

    @classmethod
    def of(cls, indices: Iterable[int]) -> Self:
        """The ranges of some indices."""
        return cls._merged(range(index, index + 1) for index in indices)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The indices of `0-99`, `7` or `0-9,40-49`, the last one included.

        Raises:
            ValueError: not of that form, or a range that is empty.
        """
        found: list[range] = []
        for part in text.split(","):
            match = _RANGE.fullmatch(part.strip())
            if match is None:
                raise ValueError(f"{part!r} is not a range of samples: write 0-99, 7 or 0-9,40-49")
            first, last = int(match[1]), int(match[2] or match[1])
            if last < first:
                raise ValueError(f"{part} ends before it begins")
            found.append(range(first, last + 1))
        return cls._merged(found)

    @classmethod
    def from_sql(cls, multirange: Iterable[asyncpg.Range[int]]) -> Self:
        """From PostgreSQL's int4multirange."""
        return cls(tuple(range(part.lower or 0, part.upper or 0) for part in multirange))

    @classmethod
    def _merged(cls, ranges: Iterable[range]) -> Self:
        merged: list[range] = []
        for part in sorted(ranges, key=lambda one: one.start):
            if merged and part.start <= merged[-1].stop:
                merged[-1] = range(merged[-1].start, max(merged[-1].stop, part.stop))
            else:
                merged.append(part)
        return cls(tuple(merged))

    def to_sql(self) -> list[asyncpg.Range[int]]:
        """As PostgreSQL's int4multirange."""
        return [asyncpg.Range(part.start, part.stop) for part in self.ranges]

    def __and__(self, other: SampleRanges) -> SampleRanges:
        both = [
            range(max(one.start, two.start), min(one.stop, two.stop)) for one in self.ranges for two in other.ranges
        ]
        return SampleRanges._merged(part for part in both if part)

    def __sub__(self, other: SampleRanges) -> SampleRanges:
        left = list(self.ranges)
        for gone in other.ranges:
            left = [
                part
                for one in left
                for part in (range(one.start, min(one.stop, gone.start)), range(max(one.start, gone.stop), one.stop))
                if part
            ]
        return SampleRanges(tuple(left))

    def __or__(self, other: SampleRanges) -> SampleRanges:
        return SampleRanges._merged((*self.ranges, *other.ranges))

    def __contains__(self, index: int) -> bool:
        at = bisect_right(self.ranges, index, key=lambda part: part.start)
        return at > 0 and index in self.ranges[at - 1]

    def __len__(self) -> int:
        return sum(len(part) for part in self.ranges)

    def __iter__(self) -> Iterator[int]:
        for part in self.ranges:
            yield from part

    def __str__(self) -> str:
        return ",".join(f"{p.start}-{p.stop - 1}" if len(p) > 1 else str(p.start) for p in self.ranges)
