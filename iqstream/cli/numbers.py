"""The types of options that are numbers: click's, but read in the one form of `iqstream.runtime.typed_numbers`."""

import click

from iqstream.runtime.typed_numbers import read_number, read_whole


class WholeNumber(click.IntRange):
    """A whole number, within limits where they are given."""

    def _describe_range(self) -> str:
        """What `--help` says of the limits; click has words for one limit at least."""
        return "" if self.min is None and self.max is None else super()._describe_range()

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of the text."""
        try:
            number = read_whole(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return int(super().convert(number, param, ctx))


class Number(click.FloatRange):
    """A finite number, within limits where they are given."""

    def _describe_range(self) -> str:
        """As `WholeNumber`."""
        return "" if self.min is None and self.max is None else super()._describe_range()

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number of the text."""
        try:
            number = read_number(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return float(super().convert(number, param, ctx))
