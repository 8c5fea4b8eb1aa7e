"""Groups that import a command when it is asked for: a stage's start need not wait for a plotting library."""

import importlib
from collections.abc import Mapping
from typing import Any

import click


class Utf8Text(click.types.StringParamType):
    """Text that a server can be sent: what was typed must be UTF-8. Paths may be any bytes and are no such text."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text."""
        text: str = super().convert(value, param, ctx)
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                self.fail(f"{text!r} is not UTF-8", param, ctx)
        if "\x00" in text:
            self.fail(f"{text!r} holds a character 0", param, ctx)
        return text


class LazyGroup(click.Group):
    """A group whose commands are named by a table: their module under `iqstream.cli`.

    A command stands in its module under its own name, with `_` for `-`, or in the module's `COMMANDS` by its name.
    Commands may be added as usual, too.
    """

    def __init__(self, *arguments: Any, modules: Mapping[str, str], **options: Any) -> None:  # noqa: ANN401  # click's own
        super().__init__(*arguments, **options)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return sorted({*super().list_commands(ctx), *self._modules})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        command = self._imported(cmd_name) if cmd_name in self._modules else super().get_command(ctx, cmd_name)
        if command is not None:
            _require_text(command)
        return command

    def _imported(self, cmd_name: str) -> click.Command:
        module = importlib.import_module(f"iqstream.cli.{self._modules[cmd_name]}")
        command = getattr(module, "COMMANDS", {}).get(cmd_name) or getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)  # noqa: S101  # the table says so
        return command


def _require_text(command: click.Command) -> None:
    """Has every argument and option that takes plain text take UTF-8 alone, those of a group's commands included."""
    for parameter in command.params:
        if isinstance(parameter.type, click.types.StringParamType):
            parameter.type = Utf8Text()
    if isinstance(command, click.Group):
        for one in command.commands.values():
            _require_text(one)
