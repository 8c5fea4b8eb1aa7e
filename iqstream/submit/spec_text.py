"""A spec as a file for people: every field on a line with its meaning, its unit and what it may be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect as kinds

from iqstream.submit.quantity import unit_of
from iqstream.submit.spec_fields import SPEC, allowed, documentation, fields_of, plain, unit_shown
from schemas import DatasetSpec

COMMENT_COLUMN = 40
DRAWN = ("dataset_id", "generator_version", "dataset_version")
"""Fields that a new dataset gets by itself."""
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_AMBIGUOUS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"})


def spec_text(spec: DatasetSpec, *, seed_is_drawn: bool = False) -> str:
    """Returns a complete spec as YAML with comments; read again, it gives an equal spec but for its id.

    Args:
        spec: what to write.
        seed_is_drawn: leave the seed to be drawn.
    """
    left_out = {*DRAWN, *(("seed",) if seed_is_drawn else ())}
    lines = [
        "# The spec of a dataset: everything that determines its samples. `iqstream generate --spec FILE` submits it.",
        "# A field that is left out has its default. Numbers may have units: 144MHz, 500mW, 1s.",
        *_struct(spec, SPEC, "", left_out),
    ]
    return "\n".join(lines) + "\n"


def _struct(value: msgspec.Struct, kind: kinds.StructType, indent: str, left_out: set[str]) -> Iterator[str]:
    docs = documentation(kind.cls)
    for name, field in fields_of(kind).items():
        inner, one = plain(field.type), getattr(value, name)
        if isinstance(inner, kinds.StructType):
            yield ""
            yield f"{indent}{name}:"
            yield from (f"{indent}  # {line}" for line in _paragraph(inner.cls))
            yield from _struct(one, inner, f"{indent}  ", set())
        elif isinstance(inner, kinds.VarTupleType):
            yield from _items(name, one, inner, indent, docs.get(name, ""))
        else:
            comment = _comment(name, field.type, docs.get(name, ""))
            if name in left_out:
                yield _line(f"{indent}# {name}:", f"{comment}; of its own if left out")
            else:
                yield _line(f"{indent}{name}: {scalar_text(one)}", comment)


def _items(name: str, value: tuple[Any, ...], kind: kinds.VarTupleType, indent: str, doc: str) -> Iterator[str]:
    item = plain(kind.item_type)
    assert isinstance(item, kinds.StructType)  # noqa: S101  # receivers and tiles
    yield ""
    yield f"{indent}# {doc}"
    docs = documentation(item.cls)
    for field_name, field in fields_of(item).items():
        yield f"{indent}#   {field_name}: {_comment(field_name, field.type, docs.get(field_name, ''))}"
    if not value:
        yield f"{indent}{name}: []"
        return
    yield f"{indent}{name}:"
    for one in value:
        inside = ", ".join(f"{key}: {scalar_text(part)}" for key, part in msgspec.structs.asdict(one).items())
        yield f"{indent}  - {{{inside}}}"


def _line(said: str, comment: str) -> str:
    return f"{said:<{COMMENT_COLUMN - 1}} # {comment}" if comment else said


def _comment(name: str, kind: kinds.Type, doc: str) -> str:
    unit = unit_shown(name)
    may = allowed(kind, unit_of(name))
    head = f"{unit}, {may}" if unit and may and unit not in may else may or unit
    first = doc.split("\n\n", maxsplit=1)[0].replace("\n", " ").rstrip(".")
    return ". ".join(part for part in (first, head[:1].upper() + head[1:] if head.startswith("one") else head) if part)


def _paragraph(cls: type[Any]) -> list[str]:
    text = (cls.__doc__ or "").split("\n\n", maxsplit=1)[0]
    return [line.strip() for line in text.split("\n")]


def scalar_text(value: object) -> str:
    """Returns a value as YAML on one line, which JSON's numbers and quoted strings are too."""
    if value is None:
        return "null"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.casefold() not in _AMBIGUOUS:
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"{value:.1f}"
    return json.dumps(value).replace("\x7f", "\\u007f")
