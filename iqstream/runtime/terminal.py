r"""Text on its way to a terminal: shown as it is stored and never obeyed; and the standard streams that it leaves by.

Names, messages and errors come from elsewhere. What a terminal would obey in them is shown as Python spells it: `\n`,
`\x1b`, `\u202e`.
"""

import io
import os
import re
import sys
from typing import TYPE_CHECKING

from iqstream.runtime.errors import Failed

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_OBEYED = (
    "\x00-\x09\x0b-\x1f\x7f-\x9f"  # controls: C0 but the newline, DEL, C1
    "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0001-\U000e007f"  # direction, unseen
    "\u2028\u2029\ud800-\udfff"  # separators of lines, halves of pairs
)
_IN_A_LINE = re.compile(f"[\n{_OBEYED}]")
_IN_LINES = re.compile(f"[{_OBEYED}]")


def shown(text: str) -> str:
    """Text from elsewhere as one line: controls and changes of direction are spelt out, all else stays."""
    return _IN_A_LINE.sub(_spelt, text)


def shown_lines(text: str) -> str:
    """The same for text of several lines, whose newlines stay."""
    return _IN_LINES.sub(_spelt, text)


def _spelt(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


class OutputLost(Failed):
    """Standard output takes nothing more: a full disk, a closed descriptor."""


class ReaderGone(OutputLost):
    """Whoever read our output has had enough."""


class _Output(io.FileIO):
    """Standard output, whose errors are told from those of all other files and sockets."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise ReaderGone("the reader of standard output has gone") from None
        except OSError as error:
            raise OutputLost(f"standard output cannot be written: {error.strerror}") from None


class _Errors(io.FileIO):
    """Standard error. Where it takes nothing there is nobody to tell, and the work continues."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def occupy_closed_streams() -> None:
    """Opens the null device where a standard stream is closed, so that no connection gets its number."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            lowest_free = os.open(os.devnull, os.O_RDONLY)  # this number
            os.set_inheritable(lowest_free, True)  # noqa: FBT003  # takes no keyword


def open_standard_streams() -> None:
    """Makes this process's standard streams safe: no character stops them, and a lost output is an `OutputLost`.

    A character that the terminal's encoding lacks is spelt out. A stream that was closed when the process started
    gives and takes nothing; its descriptor is occupied, so that no connection gets its number.
    """
    occupy_closed_streams()
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BytesIO())
    elif isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="backslashreplace")
    sys.stdout = _text(_Output(1, "wb", closefd=False), sys.stdout)
    sys.stderr = _text(_Errors(2, "wb", closefd=False), sys.stderr)


def _text(raw: io.FileIO, before: io.TextIOBase | object) -> io.TextIOWrapper:
    encoding = getattr(before, "encoding", None) or "utf-8"
    lines = raw.isatty() or isinstance(raw, _Errors)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=lines)


def discard_output() -> None:
    """Sends what is left in standard output's buffer nowhere: the interpreter would complain on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
