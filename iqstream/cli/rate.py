"""The type of options that take samples per second."""

import click

from iqstream.runtime.typed_numbers import read_number


class Rate(click.ParamType[float]):
    """`5/s` or `5`, samples per second, more than 0 and at most a limit."""

    name = "rate"

    def __init__(self, at_most: float) -> None:
        self._at_most = at_most

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Samples per second of the text."""
        try:
            rate = read_number(str(value).removesuffix("/s").strip())
        except ValueError:
            rate = 0.0
        if not 0 < rate <= self._at_most:
            self.fail(f"{value!r} is not a rate: write 5/s, more than 0 and at most {self._at_most:g}", param, ctx)
        return rate
