"""Messages whose fields are checked when they are created in Python as well as when they are decoded."""

import reprlib
from functools import cache
from typing import Any, get_type_hints

import msgspec
import numpy as np


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A struct whose values are of their fields' types and within their limits.

    Raises:
        ValueError: a value that is not; the message names the field.
    """

    def __post_init__(self) -> None:
        names, kinds = _fields(type(self))
        given = tuple([getattr(self, name) for name in names])
        try:
            values = msgspec.convert(given, kinds)
        except msgspec.ValidationError:
            values = _one_by_one(type(self), given)
        for name, before, value in zip(names, given, values, strict=True):
            if type(value) is not type(before) or value != before:
                msgspec.structs.force_setattr(self, name, value)


@cache
def _fields(kind: type[Checked]) -> tuple[tuple[str, ...], Any]:
    """The names of a struct's fields, and the type of the tuple of their values."""
    hints = get_type_hints(kind, include_extras=True)
    return kind.__struct_fields__, tuple[tuple(hints[name] for name in kind.__struct_fields__)]  # type: ignore[misc]


def _one_by_one(kind: type[Checked], given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values, NumPy's numbers taken as Python's; or which one is wrong."""
    names, kinds = _fields(kind)
    values = []
    for name, value, wanted in zip(names, given, kinds.__args__, strict=True):
        plain = value.item() if isinstance(value, np.generic) else value
        try:
            values.append(msgspec.convert(plain, wanted))
        except msgspec.ValidationError as error:
            raise ValueError(f"{name}: {error} (it is {reprlib.repr(plain)})") from None
    return tuple(values)
