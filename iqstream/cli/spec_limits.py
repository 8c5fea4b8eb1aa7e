"""Options whose limits are those of a spec's field."""

from typing import get_type_hints

import click
import msgspec

from iqstream.cli.numbers import WholeNumber


def whole_number(struct: type[msgspec.Struct], field: str) -> click.IntRange:
    """The type of an option for a whole number from the field's least on; what is above its most, the spec refuses."""
    kind = get_type_hints(struct, include_extras=True)[field]
    limits = next(item for item in kind.__metadata__ if isinstance(item, msgspec.Meta))
    return WholeNumber(min=None if limits.ge is None else int(limits.ge))
