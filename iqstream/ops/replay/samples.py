"""Which samples of a dataset: ranges of indices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import asyncpg

from iqstream.runtime.errors import UserError

_RANGE = re.compile(r"^([0-9]{1,8})(?:-([0-9]{1,8}))?$")


@dataclass(frozen=True, slots=True)
class SampleRanges:
    """Indices in ascending order, none twice, as ranges that do not touch."""

    ranges: tuple[range, ...]

    @classmethod
    def of(cls, indices: Iterable[int]) -> Self:
        """The ranges of some indices."""
        merged: list[range] = []
        for index in sorted(set(indices)):
            if merged and merged[-1].stop == index:
                merged[-1] = range(merged[-1].start, index + 1)
            else:
                merged.append(range(index, index + 1))
        return cls(tuple(merged))

    @classmethod
    def parse(cls, text: str, samples: int) -> Self:
        """The indices of `0-99`, `7` or `0-9,40-49`, the last one included.

        Args:
            text: what was written.
            samples: of the dataset: indices are below it.

        Raises:
            UserError: not of that form, a range that is empty, or an index that the dataset does not have.
        """
        found: set[int] = set()
        for part in text.split(","):
            match = _RANGE.match(part.strip())
            if match is None:
                raise UserError(f"--samples: {part!r} is no range of samples: write 0-99, 7 or 0-9,40-49")
            first, last = int(match[1]), int(match[2] or match[1])
            if last < first:
                raise UserError(f"--samples: {part} ends before it begins")
            if last >= samples:
                raise UserError(f"--samples: {part} goes past the dataset's last sample, {samples - 1}")
            found.update(range(first, last + 1))
        return cls.of(found)

    @classmethod
    def from_sql(cls, multirange: Iterable[asyncpg.Range[int]]) -> Self:
        """From PostgreSQL's int4multirange."""
        return cls(tuple(range(part.lower or 0, part.upper or 0) for part in multirange))

    def to_sql(self) -> list[asyncpg.Range[int]]:
        """As PostgreSQL's int4multirange."""
        return [asyncpg.Range(part.start, part.stop) for part in self.ranges]

    def __len__(self) -> int:
        return sum(len(part) for part in self.ranges)

    def __iter__(self) -> Iterator[int]:
        for part in self.ranges:
            yield from part

    def __str__(self) -> str:
        return ",".join(f"{p.start}-{p.stop - 1}" if len(p) > 1 else str(p.start) for p in self.ranges)
