"""What a spec may hold: its fields by path, each with what it means, what it is by default and what is allowed."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect as kinds

from iqstream.submit.quantity import shown, unit_of
from schemas import DatasetSpec


def _struct_type(kind: type[msgspec.Struct]) -> kinds.StructType:
    found = kinds.type_info(kind)
    assert isinstance(found, kinds.StructType)  # noqa: S101  # that of a struct
    return found


SPEC = _struct_type(DatasetSpec)


def fields_of(kind: kinds.StructType) -> dict[str, kinds.Field]:
    """Returns a struct's fields by name."""
    return {field.name: field for field in kind.fields}


def is_required(field: kinds.Field) -> bool:
    """Whether a field has no default."""
    return field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT


def plain(kind: kinds.Type) -> kinds.Type:
    """Returns a type without its metadata and without None."""
    if isinstance(kind, kinds.Metadata):
        return plain(kind.type)
    if isinstance(kind, kinds.UnionType):
        return plain(next(one for one in kind.types if not isinstance(one, kinds.NoneType)))
    return kind


def is_optional(kind: kinds.Type) -> bool:
    """Whether a field may be None."""
    if isinstance(kind, kinds.Metadata):
        return is_optional(kind.type)
    return isinstance(kind, kinds.UnionType) and any(isinstance(one, kinds.NoneType) for one in kind.types)


def paths(kind: kinds.StructType = SPEC, above: str = "") -> Iterator[str]:
    """Returns the paths of all fields that are no structs: `frequency_hz`, `scenario.eirp_max_w`."""
    for name, field in fields_of(kind).items():
        inner = plain(field.type)
        if isinstance(inner, kinds.StructType):
            yield from paths(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def meant(path: str) -> str:
    """Returns a question that names the path that was meant, ` (scenario.eirp_max_w?)`; empty if none is near."""
    every = list(paths())
    last = path.rsplit(".", 1)[-1].lower().replace("-", "_")
    same = [one for one in every if one.rsplit(".", 1)[-1] == last]
    ends = {one.rsplit(".", 1)[-1]: one for one in reversed(every)}
    begins = [one for name, one in ends.items() if len(last) > 3 and (name.startswith(last) or last.startswith(name))]
    near = [ends[name] for name in get_close_matches(last, list(ends), n=1, cutoff=0.7)]
    whole = get_close_matches(path, every, n=1, cutoff=0.7)
    found = (same or begins or near or whole)[:3]
    return f" ({' or '.join(found)}?)" if found else ""


def allowed(kind: kinds.Type, unit: str = "") -> str:
    """Returns what a value may be, in words: `0 to 1`, `above 0`, `one of am, ssb`; empty for any text."""
    inner = plain(kind)
    if isinstance(inner, kinds.LiteralType):
        said = f"one of {', '.join(map(str, inner.values))}"
    elif isinstance(inner, kinds.BoolType):
        said = "true or false"
    elif isinstance(inner, kinds.FloatType | kinds.IntType):
        said = _range(inner, unit)
    else:
        return ""
    return f"{said}, or null for none" if is_optional(kind) else said


def _range(kind: kinds.FloatType | kinds.IntType, unit: str) -> str:
    low = kind.ge if kind.ge is not None else kind.gt
    high = kind.le if kind.le is not None else kind.lt
    if low is not None and abs(low) >= 1e300:
        low = None
    if high is not None and abs(high) >= 1e300:
        high = None
    unbounded = "any whole number" if isinstance(kind, kinds.IntType) else "any number"
    above = "above " if kind.gt is not None else ""
    if low is None:
        return unbounded
    if high is None:
        return f"{above}{shown(low, unit)}" if above else f"{shown(low, unit)} or more"
    return f"{above}{shown(low, unit)} to {shown(high, unit)}"


@cache
def documentation(kind: type[Any]) -> dict[str, str]:
    """Returns what the docstrings under a class's fields say, by field; inherited ones too."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if one.__module__.partition(".")[0] == "schemas":
            found |= _own_documentation(one)
    return found


def _own_documentation(kind: type[Any]) -> dict[str, str]:
    source = inspect.getsource(inspect.getmodule(kind))  # type: ignore[arg-type]  # a class of a module
    tree = next(
        node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == kind.__name__
    )
    found = {}
    for before, node in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            found[before.target.id] = inspect.cleandoc(node.value.value)
    return found


def unit_shown(field: str) -> str:
    """Returns the unit of a field for a comment; empty for a plain number."""
    unit = unit_of(field)
    return "" if unit == "share" else unit
