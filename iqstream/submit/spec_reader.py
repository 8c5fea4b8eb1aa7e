"""From what is said of a spec to the spec: every value read by its field's type and unit, all problems told at once."""

from __future__ import annotations

import operator
import re
from fractions import Fraction
from typing import Annotated, Any

import msgspec
from msgspec import inspect as kinds

from iqstream.runtime.errors import UserError
from iqstream.submit.given import Given
from iqstream.submit.quantity import other_units, parse_quantity, shown, to_float, unit_of
from iqstream.submit.spec_fields import SPEC, allowed, fields_of, is_optional, is_required, meant, plain
from schemas import Capture, DatasetSpec

_NOTHING = frozenset({"none", "null", "~", "off"})
_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_WRONG = object()


def read_spec(given: Given) -> DatasetSpec:
    """Returns the spec that is said; what is not said is the field's default.

    Chunks are no longer than the recording, where only its length is said.

    Raises:
        UserError: names everything that is wrong, where it is said, and what would be right.
    """
    reader = _Reader()
    found = reader.struct(given, SPEC, "")
    if reader.problems or not isinstance(found, DatasetSpec):
        first, *more = reader.problems
        listed = "".join(f"\n  {problem}" for problem in (first, *more))
        raise UserError(f"the spec has {len(reader.problems)} mistakes:{listed}" if more else first)
    return found


class _Reader:
    """Collects problems instead of stopping at the first."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def struct(self, given: Given, kind: kinds.StructType, path: str) -> Any:  # noqa: ANN401  # of that kind
        if given.fields is None:
            return self._wrong(given, path, f"fields are wanted, not {_said(given)}: {', '.join(fields_of(kind))}")
        known = fields_of(kind)
        values: dict[str, Any] = {}
        for name, one in given.fields.items():
            if name not in known:
                self._unknown(given, name, path)
                continue
            values[name] = self.value(one, known[name].type, f"{path}{name}")
        missing = [name for name, one in known.items() if is_required(one) and name not in values]
        if missing:
            self._wrong(given, path.rstrip("."), f"{' and '.join(missing)} missing")
        if kind.cls is Capture and "capture_ms" in values and "chunk_ms" not in values:
            length_ms = values["capture_ms"]
            values["chunk_ms"] = Capture().chunk_ms if length_ms is _WRONG else min(Capture().chunk_ms, length_ms)
        if missing or any(value is _WRONG for value in values.values()) or len(values) < len(given.fields):
            return _WRONG
        try:
            return kind.cls(**values)
        except ValueError as error:
            return self._together(given, path, str(error))

    def value(self, given: Given, kind: kinds.Type, path: str) -> Any:  # noqa: ANN401  # of that kind
        inner = plain(kind)
        if isinstance(inner, kinds.StructType):
            return self.struct(given, inner, f"{path}.")
        if isinstance(inner, kinds.VarTupleType):
            return self._items(given, inner, path)
        if given.fields is not None or given.items is not None:
            return self._wrong(given, path, f"one value is wanted, not {_said(given)}")
        try:
            return scalar(given.value, kind, path.rsplit(".", 1)[-1])
        except ValueError as error:
            return self._wrong(given, path, str(error))

    def _items(self, given: Given, kind: kinds.VarTupleType, path: str) -> Any:  # noqa: ANN401  # a tuple
        if given.items is None:
            return self._wrong(given, path, f"a list is wanted, not {_said(given)}")
        items = tuple(self.value(one, kind.item_type, f"{path}.{at}") for at, one in enumerate(given.items))
        low, high = kind.min_length or 0, kind.max_length
        if len(items) < low or (high is not None and len(items) > high):
            return self._wrong(given, path, f"{len(items)} of them; {low} to {high}")
        return _WRONG if any(item is _WRONG for item in items) else items

    def _unknown(self, given: Given, name: str, path: str) -> None:
        place = given.keys.get(name, "")
        named = f"{place}: " if place else ""
        self.problems.append(f"{named}{path}{name} is no field of a spec{meant(path + name)}")

    def _wrong(self, given: Given, path: str, problem: str) -> object:
        named = [given.where] if given.where else []
        if path and not given.named:
            named.append(path)
        self.problems.append(": ".join((*named, problem)))
        return _WRONG

    def _together(self, given: Given, path: str, problem: str) -> object:
        """Values that are right one by one; the problem begins with their names, as `schemas` has it."""
        head, _, rest = problem.partition(": ")
        names = head.split(", ")
        said = [found for name in names if (found := _at(given, name)) is not None]
        places = list(dict.fromkeys(one.where for one in said if one.where))
        plain_names = ", ".join(path + name for name in names)
        unsaid = [path + name for name in names if _at(given, name) is None]
        by_default = f" ({', '.join(unsaid)} by default)" if said and unsaid else ""
        whole = f"{' and '.join(places)}: " if places else ""
        self.problems.append(f"{whole}{plain_names}: {rest}{by_default}")
        return _WRONG


def scalar(value: Any, kind: kinds.Type, field: str) -> Any:  # noqa: ANN401  # whatever was said
    """Returns a value as a field's type has it.

    Raises:
        ValueError: it is none; says what would be right.
    """
    inner = plain(kind)
    if is_optional(kind) and (value is None or (isinstance(value, str) and value.strip().casefold() in _NOTHING)):
        return None
    if value is None or (isinstance(value, str) and not value.strip() and not isinstance(inner, kinds.StrType)):
        raise ValueError(f"nothing is said; {allowed(kind, unit_of(field)) or 'text'}")
    if isinstance(inner, kinds.BoolType):
        return _truth(value)
    if isinstance(inner, kinds.LiteralType):
        return _choice(value, inner)
    if isinstance(inner, kinds.FloatType | kinds.IntType):
        return _number(value, inner, field)
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")  # noqa: TRY004  # a problem as any other
    try:
        return msgspec.convert(value, _text_type(inner))
    except msgspec.ValidationError as error:
        raise ValueError(f"{value!r}: {_text_problem(inner, str(error))}") from None


def _truth(value: object) -> bool:
    found = value if isinstance(value, bool) else _TRUTH.get(str(value).strip().casefold())
    if found is None:
        raise ValueError(f"{value!r} is neither true nor false")
    return found


def _choice(value: object, kind: kinds.LiteralType) -> str:
    by_form = {_form(str(one)): str(one) for one in kind.values}
    found = by_form.get(_form(str(value)))
    if found is None:
        near = [one for form, one in by_form.items() if len(_form(str(value))) > 1 and _form(str(value)) in form]
        asked = f"; {near[0]}?" if near else ""
        raise ValueError(f"{value!r} is not one of {', '.join(by_form.values())}{asked}")
    return found


def _form(text: str) -> str:
    return re.sub(r"[\s_-]", "", text).casefold()


def _number(value: Any, kind: kinds.FloatType | kinds.IntType, field: str) -> float:  # noqa: ANN401  # whatever was said
    unit = unit_of(field)
    if isinstance(value, bool) or not isinstance(value, str | int | float | Fraction):
        raise ValueError(f"{value!r} is not a number")  # noqa: TRY004  # a problem as any other
    if isinstance(value, int) and abs(value) > 10**100:
        raise ValueError("the number is far too large")
    text = value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
    exact: Fraction | float
    if isinstance(value, float):
        exact = Fraction(value) if abs(value) < float("inf") else value  # NaN compares as False
    else:
        example = "144MHz" if unit == "Hz" else ""
        exact = parse_quantity(str(value), unit, example=example)
    if isinstance(kind, kinds.IntType):
        if not isinstance(exact, Fraction) or exact.denominator != 1:
            raise ValueError(f"{text} is not a whole number" + (f" of {unit}" if unit else ""))
        number: float = exact.numerator
    else:
        number = to_float(exact) if isinstance(exact, Fraction) else exact
    if (problem := _outside(number, kind, unit)) is not None:
        instead = next(
            (one for one, other in other_units(text, unit) if _outside(to_float(other), kind, unit) is None), ""
        )
        raise ValueError(problem + (f"; {instead}?" if instead else ""))
    return number


def _outside(number: float, kind: kinds.FloatType | kinds.IntType, unit: str) -> str | None:
    """How a number is outside of a type's range; None where it is within."""
    if number != number:  # noqa: PLR0124  # NaN
        return "nan is not a number"
    if abs(number) > 1e300:
        return "infinity is not allowed"
    limits = (
        (kind.ge, "below", operator.lt),
        (kind.gt, "not above", operator.le),
        (kind.le, "above", operator.gt),
        (kind.lt, "not below", operator.ge),
    )
    return next(
        (
            f"{shown(number, unit)} is {how} {shown(limit, unit)}"
            for limit, how, is_outside in limits
            if limit is not None and is_outside(number, limit)
        ),
        None,
    )


def _text_type(kind: kinds.Type) -> Any:  # noqa: ANN401  # a type with its limits
    assert isinstance(kind, kinds.StrType)  # noqa: S101  # the other types are numbers, truth values and choices
    return Annotated[str, msgspec.Meta(min_length=kind.min_length, max_length=kind.max_length, pattern=kind.pattern)]


def _text_problem(kind: kinds.Type, problem: str) -> str:
    assert isinstance(kind, kinds.StrType)  # noqa: S101  # as above
    if "regex" not in problem:
        return problem
    if kind.pattern is not None and kind.pattern.startswith("^[A-Za-z0-9]"):
        return "letters, digits, '_', '.' and '-', at most 64, are allowed"
    if kind.pattern is not None and kind.pattern.startswith("^[NS]"):
        return "a tile is named as N45E007"
    if kind.pattern is not None and "{64}" in kind.pattern:
        return "64 hexadecimal digits in lower case are wanted"
    if kind.pattern is not None and "[0-9a-f]{8}" in kind.pattern:
        return "an id is a UUID in lower case; leave it out for a new one"
    return "a character in it cannot be stored"


def _at(given: Given, path: str) -> Given | None:
    at: Given | None = given
    for name in path.split("."):
        at = None if at is None or at.fields is None else at.fields.get(name)
    return at


def _said(given: Given) -> str:
    if given.fields is not None:
        return "fields"
    return "a list" if given.items is not None else repr(given.value)
