"""Everything that a command prints: lines, JSON and tables.

The one place through which text reaches a terminal: what it holds is printed and never interpreted.
"""

import json
import sys
from collections.abc import Iterable
from typing import Any

import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from iqstream.runtime.terminal import shown, shown_lines

NOTHING_CHANGED = "Nothing was changed: add --execute."
"""The last line of every plan: a command that changes or removes what is stored does so with --execute alone."""


def say(*lines: str, err: bool = False) -> None:
    """Prints lines on standard output, or on standard error; a newline within one is spelt out."""
    _write("".join(f"{shown(line)}\n" for line in lines), err=err)


def say_json(document: object) -> None:
    """Prints JSON values as one line of ASCII; NaN and infinity are errors."""
    _write(json.dumps(document, allow_nan=False).replace("\x7f", "\\u007f") + "\n", err=False)


def _write(text: str, *, err: bool) -> None:
    stream = sys.stderr if err else sys.stdout
    stream.write(text)
    stream.flush()


class Console(rich.console.Console):  # noqa: TID251  # this is the place
    """Rich's console without its markup; a string that it prints, or that stands in a table, is one line."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # rich's own
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401  # rich's own
        """Text of a string."""
        return super().render_str(shown(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What goes to the terminal; only rich's own codes reach it as such."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(shown_lines(segment.text), segment.style)
