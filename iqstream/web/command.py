"""A form as a command line: what `iqstream generate` is told to submit the same dataset."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

import msgspec

from iqstream.web.forms import Field

_OPTIONS = {"name": "--name", "samples": "--samples", "description": "--description"}


def command_line(
    fields: Sequence[Field], form: Mapping[str, str], lists: Mapping[str, Sequence[Mapping[str, object]]]
) -> str:
    """Returns the command; fields that say their default are left out, those that have no option are `--set`.

    Args:
        fields: of the form.
        form: what they say.
        lists: fields of several parts that are not as by default: receivers, tiles.
    """
    words = ["iqstream", "generate"]
    for field in fields:
        said = form.get(field.name, "").strip()
        if not said or said == field.shown_default:
            continue
        if field.name == "reuse_name":
            words += ["--reuse-name"]
        elif field.name in _OPTIONS:
            words += [_OPTIONS[field.name], said]
        else:
            words += ["--set", f"{field.name}={said}"]
    for name, parts in lists.items():
        words += ["--set", f"{name}={msgspec.json.encode(parts).decode()}"]
    return shlex.join(words)
