"""Names beside points of a map, none over another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

LETTER, LINE = 12.0, 24.0
"""Width of a letter and height of a line, as the map's text is drawn."""
GAP, ROWS = 10.0, 6
"""Between a point and its name; how many lines away a name may be."""


class Label(NamedTuple):
    """Where a name is written, from its lower left corner."""

    x: float
    y: float
    is_near: bool
    """Whether it stands beside its point; else a line leads to it."""


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )  # fmt: skip


def labels(points: Mapping[str, tuple[float, float]], width: float, height: float) -> dict[str, Label]:
    """Returns where the names of points are written within a map; a name for which there is no room is left out."""
    taken = [_Box(x - 8, y - 9, x + 8, y + 7) for x, y in points.values()]
    found = {}
    for name, (x, y) in points.items():
        wide = LETTER * len(name)
        for left, bottom, is_near in _places(x, y, wide):
            box = _Box(left, bottom - LINE, left + wide, bottom)
            inside = box.left >= 0 and box.top >= 0 and box.right <= width and box.bottom <= height
            if inside and not any(box.meets(one) for one in taken):
                taken.append(box)
                found[name] = Label(round(left, 1), round(bottom - 5, 1), is_near)
                break
    return found


def _places(x: float, y: float, wide: float) -> Iterator[tuple[float, float, bool]]:
    """Lower left corners, the best first: right, left, below and above; then further away, a line at a time."""
    middle = y + LINE / 2
    yield x + GAP, middle, True
    yield x - GAP - wide, middle, True
    yield x - wide / 2, y + GAP + LINE, True
    yield x - wide / 2, y - GAP, True
    for row in range(1, ROWS + 1):
        for bottom in (middle + row * LINE, middle - row * LINE):
            yield x + 2 * GAP, bottom, False
            yield x - 2 * GAP - wide, bottom, False
