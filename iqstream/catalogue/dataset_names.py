"""What a new dataset may be named, and which text of it can be shown everywhere."""

import unicodedata
from uuid import UUID

from iqstream.runtime.errors import UserError

_CONTROL = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of Unicode: control characters, halves of a pair, line and paragraph separators."""
_DIRECTIONS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""Of what turns the direction of the text after it."""


def check_text(what: str, text: str) -> None:
    """Whether text of a new dataset can be shown everywhere as it is.

    Raises:
        UserError: it holds a control character; says which, and where.
    """
    for at, character in enumerate(text, start=1):
        if unicodedata.category(character) in _CONTROL or unicodedata.bidirectional(character) in _DIRECTIONS:
            raise UserError(
                f"{what}: character {at} of {text!r} is {character!r}, which controls how text is shown: leave it out"
            )


def check_name(name: str) -> None:
    """Whether a new dataset may be named so.

    Raises:
        UserError: it holds a control character, or could be taken for an id.
    """
    check_text("name", name)
    try:
        UUID(name)
    except ValueError:
        return
    raise UserError(f"name: {name!r} looks like a dataset's id, and an id always means the dataset that has it")
