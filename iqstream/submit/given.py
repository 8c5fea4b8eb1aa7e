"""What somebody says of a spec, with where it is said: a line of a file, an option, or Python."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml

from iqstream.runtime.errors import UserError
from iqstream.runtime.text_files import text_of
from iqstream.runtime.typed_numbers import read_whole

_NOT_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
MAX_DEPTH = 20
_INDEX = re.compile(r"\[([^\]]*)\]")


@dataclass(slots=True)
class Given:
    """A value: text, a number, a truth value or None; fields by name; or items in order."""

    value: Any = None
    where: str = ""
    """`spec.yaml, line 12`, `--frequency` or `--set scenario.eirp_max_w`; empty: in Python."""
    named: bool = False
    """`where` names the field already, as an option does."""
    fields: dict[str, Given] | None = None
    items: list[Given] | None = None
    keys: dict[str, str] = field(default_factory=dict)
    """Where each of the fields is named."""

    def merge(self, other: Given) -> Given:
        """Returns both, field by field; where they differ, what the other one says."""
        if self.fields is None or other.fields is None:
            return other
        merged = dict(self.fields)
        for name, one in other.fields.items():
            merged[name] = merged[name].merge(one) if name in merged else one
        return Given(where=other.where or self.where, fields=merged, keys=self.keys | other.keys)

    def says(self, *path: str) -> bool:
        """Whether a field is given."""
        at: Given | None = self
        for name in path:
            at = None if at is None or at.fields is None else at.fields.get(name)
        return at is not None


def in_python(value: object) -> Given:
    """Returns what Python values say; structs and mappings by their fields."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return Given(fields={str(name): in_python(one) for name, one in value.items()})
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return Given(items=[in_python(one) for one in value])
    return Given(value)


def in_file(path: Path) -> Given:
    """Returns what a file of YAML or JSON says.

    Raises:
        UserError: it cannot be read, or is neither; names the line.
    """
    text = text_of("spec file", path)
    found = _composed(text, str(path), lines=True)
    if found is None:
        raise UserError(f"spec file {path} says nothing: `iqstream spec` prints a complete one")
    if found.fields is None:
        raise UserError(f"{path}, line 1: fields are wanted, `name: value` a line; `iqstream spec` prints them all")
    return found


def in_text(text: str, where: str) -> Given:
    """Returns what a value on the command line says; `{...}` and `[...]` are YAML.

    Raises:
        UserError: they are not.
    """
    if text.strip()[:1] in {"{", "["}:
        found = _composed(text, where, lines=False)
        assert found is not None  # noqa: S101  # the text is not empty
        return found
    return Given(text, where, named=True)


def at_path(path: str, value: Given, base: Given) -> Given:
    """Returns `base` with one field changed: `scenario.eirp_max_w`; of a list an item by its number or its `rx_id`.

    Raises:
        UserError: the path leads into a list that has no such item.
    """
    names = [name for name in _INDEX.sub(r".\1", path).split(".") if name]
    return _changed(names, value, base, path)


def _changed(names: list[str], value: Given, base: Given | None, path: str) -> Given:
    if not names:
        return value if base is None else base.merge(value)
    if base is not None and base.items is not None:
        return _changed_item(names, value, base.items, path)
    fields = dict(base.fields or {}) if base is not None else {}
    keys = dict(base.keys) if base is not None else {}
    fields[names[0]] = _changed(names[1:], value, fields.get(names[0]), path)
    keys[names[0]] = value.where
    return Given(where=base.where if base is not None else value.where, fields=fields, keys=keys)


def _changed_item(names: list[str], value: Given, items: list[Given], path: str) -> Given:
    ids = [_id_of(item) for item in items]
    for count in range(1, len(names) + 1):
        name = ".".join(names[:count])
        at = ids.index(name) if name in ids else _number_of(name, len(items))
        if at is not None:
            changed = list(items)
            changed[at] = _changed(names[count:], value, items[at], path)
            return Given(where=value.where, items=changed)
    known = f"0 to {len(items) - 1}" + (f", or one of {', '.join(map(str, ids))}" if any(ids) else "")
    raise UserError(f"{value.where}: {path!r} names no item of the list: {known if items else 'it is empty'}")


def _number_of(name: str, count: int) -> int | None:
    """The item that a number names; None where it names none."""
    try:
        at = read_whole(name)
    except ValueError:
        return None
    return at if 0 <= at < count else None


def _id_of(item: Given) -> str | None:
    named = (item.fields or {}).get("rx_id") or (item.fields or {}).get("name")
    return None if named is None else str(named.value)


def _composed(text: str, where: str, *, lines: bool) -> Given | None:
    if text.lstrip().startswith("{"):  # JSON may be indented by tabs, and its strings hold characters that YAML forbids
        text = _NOT_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text.replace("\t", " "))
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):  # a few lines of them can stand for millions of items
                place = f"{where}, line {event.start_mark.line + 1}" if lines else where
                raise UserError(f"{place}: *{event.anchor} stands for another part: write that out")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).split("\n", maxsplit=1)[0]
        place = f"{where}, line {mark.line + 1}" if mark is not None and lines else where
        raise UserError(f"{place}: neither YAML nor JSON: {problem}") from None
    except RecursionError:
        raise UserError(f"{where}: nested too deeply") from None
    return None if node is None or _is_null(node) else _given(node, where, lines=lines, depth=0)


def _given(node: yaml.Node, where: str, *, lines: bool, depth: int) -> Given:
    place = f"{where}, line {node.start_mark.line + 1}" if lines else where
    if depth > MAX_DEPTH:
        raise UserError(f"{place}: nested too deeply")
    if isinstance(node, yaml.MappingNode):
        return _mapping(node.value, place, where, lines=lines, depth=depth + 1)
    if isinstance(node, yaml.SequenceNode):
        return Given(where=place, items=[_given(one, where, lines=lines, depth=depth + 1) for one in node.value])
    if _is_null(node):
        return Given(None, place)
    # halves of a pair are one character in JSON
    return Given(node.value.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), place)


def _mapping(pairs: Iterable[tuple[yaml.Node, yaml.Node]], place: str, where: str, *, lines: bool, depth: int) -> Given:
    found: dict[str, Given] = {}
    keys: dict[str, str] = {}
    for key, value in pairs:
        at = f"{where}, line {key.start_mark.line + 1}" if lines else where
        if not isinstance(key, yaml.ScalarNode):
            raise UserError(f"{at}: a field has a name; this is a list or a mapping")
        name = str(key.value)
        if name in found:
            raise UserError(f"{at}: {name} is said twice, also at {keys[name].removeprefix(f'{where}, ')}")
        keys[name] = at
        found[name] = _given(value, where, lines=lines, depth=depth + 1)
    return Given(where=place, fields=found, keys=keys)


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None and node.tag == "tag:yaml.org,2002:null"
