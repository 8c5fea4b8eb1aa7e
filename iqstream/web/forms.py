"""Forms: what a browser posts, and the fields of a spec as inputs made from their types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from iqstream.submit.quantity import LEVELS, UNITS, shown, unit_of
from iqstream.submit.spec_fields import documentation
from iqstream.web.markup import Markup, el
from iqstream.web.problems import Refusal

MAX_FIELDS = 200
_SPELT = {"iq": "IQ", "snr": "SNR", "gdop": "GDOP", "eirp": "EIRP", "dc": "DC"}


async def form_of(request: Request) -> dict[str, str]:
    """Returns the fields that a browser posts; of several of one name the last.

    Raises:
        Refusal: it is no form, or it has too many fields.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if body and media_type != "application/x-www-form-urlencoded":
        raise Refusal(415, "a form is needed: application/x-www-form-urlencoded")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
    except ValueError:
        raise Refusal(400, f"the form cannot be read: UTF-8, {MAX_FIELDS} fields at most") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One input: a plain field of a spec or of one of its parts."""

    name: str
    """With its part: `limits.min_snr_db`."""
    kind: Any
    """Its type without its bounds."""
    bounds: Mapping[str, float]
    """`ge`, `gt`, `le`, `lt`, where it has them."""
    default: Any
    """NODEFAULT: it has to be given."""
    meaning: str
    """In a sentence."""

    @property
    def shown_default(self) -> str:
        """As it stands in the input."""
        return shown_value(self.default)

    @property
    def label(self) -> str:
        """In words, with its unit: `EIRP min, W`."""
        name = self.name.rpartition(".")[2]
        unit = unit_of(name) if self.kind in {int, float} else ""
        words = name.removesuffix("_" + unit.lower().replace("/", "_")).split("_")
        told = " ".join(_SPELT.get(word, word) for word in words)
        return told[0].upper() + told[1:] + (f", {unit}" if unit not in {"", "share"} else "")

    @property
    def choices(self) -> tuple[str, ...]:
        """What may be chosen; empty where anything may be written."""
        return tuple(map(str, get_args(self.kind))) if get_origin(self.kind) is Literal else ()

    def control(self, value: str | None, problem: str | None) -> Markup:
        """Returns the input with its label; what is wrong stands beside it."""
        shown = self.shown_default if value is None else value
        common = {
            "name": self.name,
            "aria_invalid": "true" if problem else None,
            "aria_describedby": f"{self.name}-problem" if problem else None,
            "autofocus": bool(problem),
        }
        if self.choices:
            options = [el("option", one, value=one, selected=one == shown) for one in self.choices]
            control = el("select", options, **common)
        elif self.kind is bool:
            options = [
                el("option", word, value=one, selected=one == shown) for one, word in (("false", "no"), ("true", "yes"))
            ]
            control = el("select", options, **common)
        else:
            whole = self.kind is int
            control = el(
                "input", type="text", inputmode="text" if self.kind is str else "numeric" if whole else "decimal",
                value=shown, required=self.default is msgspec.NODEFAULT, **common,
            )  # fmt: skip
        told = el("span", problem, class_="problem", id=f"{self.name}-problem") if problem else None
        return el("label", self.label, control, el("small", self.meaning), el("small", self._allowed()), told)

    def _allowed(self) -> str:
        low, high = self.bounds.get("ge", self.bounds.get("gt")), self.bounds.get("le", self.bounds.get("lt"))
        unit = unit_of(self.name) if self.kind in {int, float} else ""
        ends = [
            f"{word} {_bound(end, unit)}"
            for word, end in (("from", low), ("to", high))
            if end is not None and abs(end) < 1e15
        ]
        other = [one for one in (*UNITS.get(unit, ()), *LEVELS.get(unit, ())) if one != unit]
        also = f"also in {', '.join(other)}" if other and unit != "share" else ""
        return "; ".join(filter(None, (" ".join(filter(None, ends)), also)))


def _bound(end: float, unit: str) -> str:
    """As people read it: `50 MHz`, `10,000,000`."""
    return shown(end, unit) if unit or end != int(end) else f"{int(end):,}"


def shown_value(value: Any) -> str:  # noqa: ANN401  # any field's
    """Returns a value as an input shows it; read again it is the same."""
    if value is None or value is msgspec.NODEFAULT:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        short = f"{value:.12g}"
        return short if float(short) == value else repr(value)
    return str(value)


def fields_of(
    struct: type[msgspec.Struct], prefix: str = "", *, meanings: Mapping[str, str] | None = None
) -> Iterator[Field]:
    """Iterates the plain fields of a type and of its parts; sequences are left out.

    Args:
        struct: the type.
        prefix: of the fields' names.
        meanings: of the type's own fields; if not given, its documentation.
    """
    meanings = documentation(struct) if meanings is None else meanings
    hints = get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        kind, bounds = _plain_kind(hints.get(field.name, field.type))
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from fields_of(kind, f"{prefix}{field.name}.")
        elif kind in {int, float, str, bool} or get_origin(kind) is Literal:
            yield Field(
                name=prefix + field.name, kind=kind, bounds=bounds, default=field.default,
                meaning=meanings.get(field.name, ""),
            )  # fmt: skip


def _plain_kind(kind: Any) -> tuple[Any, dict[str, float]]:  # noqa: ANN401  # any type
    """A type without its bounds and without None."""
    bounds: dict[str, float] = {}
    while True:
        if get_origin(kind) is Annotated:
            kind, *metas = get_args(kind)
            for meta in metas:
                if isinstance(meta, msgspec.Meta):
                    bounds |= {
                        name: value for name in ("ge", "gt", "le", "lt") if (value := getattr(meta, name)) is not None
                    }
        elif type(None) in get_args(kind):
            kind = next(one for one in get_args(kind) if one is not type(None))
        else:
            return kind, bounds


def nested(form: Mapping[str, str]) -> dict[str, Any]:
    """Returns fields by their parts: `limits.min_snr_db` within `limits`; empty ones are left out."""
    found: dict[str, Any] = {}
    for name, value in form.items():
        if value.strip():
            part, _, field = name.rpartition(".")
            (found.setdefault(part, {}) if part else found)[field] = value.strip()
    return found
