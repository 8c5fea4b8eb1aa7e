"""What the API takes to make a dataset: the fields of a spec, made from its type, where an unknown one is an error."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from schemas import DatasetSpec

_GIVEN_BY_US = {"dataset_id", "dataset_version", "generator_version"}


def _strict(kind: Any) -> Any:  # noqa: ANN401  # any type
    """A type whose structs refuse unknown fields, at any depth: readers of specs ignore them, authors misspelt them."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _strict_struct(kind)
    if get_origin(kind) is Annotated:
        inner, *metas = get_args(kind)
        return Annotated.__class_getitem__((_strict(inner), *metas))
    if get_origin(kind) is tuple:
        inner, _ = get_args(kind)
        return tuple.__class_getitem__((_strict(inner), ...))
    return kind


@cache
def _strict_struct(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    strict = msgspec.defstruct(
        f"New{kind.__name__}",
        [(name, one, default) for name, one, default in _fields(kind)],
        bases=(kind,),
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        module=__name__,
    )
    strict.__doc__ = kind.__doc__
    return strict


def _fields(kind: type[msgspec.Struct]) -> list[tuple[str, Any, Any]]:
    """Names, strict types and defaults."""
    hints = get_type_hints(kind, include_extras=True)
    return [
        (field.name, _strict(hints[field.name]), msgspec.NODEFAULT if field.required else field.default)
        for field in msgspec.structs.fields(kind)
    ]


NewDataset: Any = msgspec.defstruct(
    "NewDataset",
    [
        *((name, kind, default) for name, kind, default in _fields(DatasetSpec) if name not in {*_GIVEN_BY_US, "seed"}),
        ("seed", {name: kind for name, kind, _ in _fields(DatasetSpec)}["seed"] | None, None),
        ("description", Annotated[str, Meta(max_length=2000)], ""),
        ("reuse_name", bool, False),
    ],
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    module=__name__,
)
"""What to make; a seed that is not given is drawn."""
NewDataset.__doc__ = "What to make: the fields of a spec, a description, and whether a name in use is allowed."
