"""Results that can be read where they are looked at: as text in a terminal, as a table in a notebook."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any, ClassVar, TypeVar

from iqstream.runtime.terminal import shown

MOST_ITEMS = 6
"""Of a sequence within a result; of longer ones the number is shown, too."""
T_co = TypeVar("T_co", covariant=True)


class Readable:
    """A frozen dataclass (with `repr=False`) whose `repr` is one line and whose `_repr_html_` is a table.

    `SHOWN` names the fields and properties to show, in their order; all fields by default.
    """

    __slots__ = ()
    SHOWN: ClassVar[tuple[str, ...]] = ()

    def shown_values(self) -> dict[str, Any]:
        """What is shown, by name."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]  # every subclass is a dataclass
        names = self.SHOWN or tuple(field.name for field in fields)
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={_text(value)}" for name, value in self.shown_values().items())
        return f"{type(self).__name__}({values})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th style="text-align:left">{escape(name)}</th><td>{_html(value)}</td></tr>'
            for name, value in self.shown_values().items()
        )
        return f"<table><caption>{escape(type(self).__name__)}</caption>{rows}</table>"


class Rows(tuple[T_co, ...]):
    """A tuple of results of one kind; a line each as text, a row each as HTML."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "(no rows)" if not self else "\n".join(map(repr, self))

    def _repr_html_(self) -> str:
        return _table(self) if self else "<p>no rows</p>"


def _text(value: object) -> str:
    match value:
        case datetime():
            return value.isoformat(timespec="seconds")
        case str() | bytes() | Readable():
            return repr(value)
        case Mapping():
            return "{" + ", ".join(f"{_text(key)}: {_text(one)}" for key, one in value.items()) + "}"
        case Sequence():
            more = [f"… {len(value)} in all"] if len(value) > MOST_ITEMS else []
            return "[" + ", ".join([*map(_text, value[:MOST_ITEMS]), *more]) + "]"
        case _:
            return shown(str(value))


def _html(value: object) -> str:
    """Markup of a value: what it holds is shown as it is, and never read as markup."""
    if isinstance(value, Readable):
        return value._repr_html_()
    if isinstance(value, Sequence) and value and all(isinstance(one, Readable) for one in value):
        return _table(value)
    return escape(shown(value) if isinstance(value, str) else _text(value))


def _table(rows: Sequence[Any]) -> str:
    values = [row.shown_values() if isinstance(row, Readable) else {"": row} for row in rows]
    head = "".join(f"<th>{escape(name)}</th>" for name in values[0])
    body = "".join("<tr>" + "".join(f"<td>{_html(one)}</td>" for one in row.values()) + "</tr>" for row in values)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
