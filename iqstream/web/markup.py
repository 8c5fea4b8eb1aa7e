"""HTML that is built from elements: whatever is text stays text, so that no name can become markup."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

from iqstream.runtime.terminal import shown

VOID = frozenset({"input", "img", "br", "meta", "link", "hr"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Child: TypeAlias = "str | int | float | Iterable[Child] | None"


def el(tag: str, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """Returns an element.

    Args:
        tag: its name.
        children: elements, or text that is escaped; control characters are spelt out.
        attributes: `class_` for `class`, `data_live` for `data-live`; True: without a value; None, False: left out.
    """
    given = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(shown(str(value)))}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    return Markup(f"<{tag}{given}>" if tag in VOID else f"<{tag}{given}>{text(children)}</{tag}>")


def lines_of(several: str) -> Markup:
    """Returns text whose line breaks stay line breaks, for `pre` and `textarea`."""
    return Markup("\n".join(map(text, several.replace("\r\n", "\n").split("\n"))))


def text(child: Child) -> str:
    """Returns a child, or several, as markup."""
    match child:
        case Markup():
            return child
        case None:
            return ""
        case str():
            return escape(shown(child))
        case int() | float():
            return escape(str(child))
        case _:
            return "".join(map(text, child))
