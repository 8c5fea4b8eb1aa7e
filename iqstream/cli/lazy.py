"""Groups that import a command when it is asked for: a stage's start need not wait for a plotting library."""

import importlib
import os
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from iqstream.runtime.errors import UserError
from iqstream.runtime.settings import STATE_DIR_VARIABLE, only_embedded

CommandT = TypeVar("CommandT", bound=Callable[..., Any] | click.Command)


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


class GivenPath(click.ParamType[Any]):
    """A path of click's that is not empty: what an unset variable of a shell gives is not the current directory."""

    def __init__(self, path: click.Path) -> None:
        self.name = path.name
        self._path = path

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401  # click's
        """The path."""
        if value == "":
            self.fail("it is empty: write a path, or . for the current directory", param, ctx)
        return self._path.convert(value, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """As click does."""
        return self._path.shell_complete(ctx, param, incomplete)


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
            _add_state_dir(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called; where there is none of its name, the one that was meant is asked for."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            if args and not args[0].startswith("-") and (asked := self._meant(ctx, args[0])):
                ctx.fail(f"there is no command {args[0]!r}; did you mean {asked}?")
            raise

    def _meant(self, ctx: click.Context, name: str) -> str:
        """Commands whose names are nearly this one, in quotes; of groups within this one too."""
        here = self.list_commands(ctx)
        if near := get_close_matches(name.lower().replace("_", "-"), here, n=2, cutoff=0.6):
            return " or ".join(repr(one) for one in near)
        groups = {group: self.get_command(ctx, group) for group in here if group in {"datasets", "dead-letters"}}
        found = [
            f"{group} {one}"
            for group, command in groups.items()
            if isinstance(command, click.Group)
            for one in get_close_matches(name.lower(), command.list_commands(ctx), n=1, cutoff=0.8)
        ]
        return " or ".join(repr(one) for one in found)

    def _imported(self, cmd_name: str) -> click.Command:
        module = importlib.import_module(f"iqstream.cli.{self._modules[cmd_name]}")
        command = getattr(module, "COMMANDS", {}).get(cmd_name) or getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)  # noqa: S101  # the table says so
        return command


def state_dir_option(command: CommandT) -> CommandT:
    """`--state-dir` of every command that takes no directory of its own: the servers that it goes to."""
    return click.option(
        "--state-dir",
        type=GivenPath(click.Path(file_okay=False, path_type=Path)),
        expose_value=False,
        callback=_go_to,
        help="Use the embedded servers of this directory.  [env var: IQSTREAM_STATE_DIR]",
    )(command)


def _go_to(ctx: click.Context, _param: click.Parameter, state_dir: Path | None) -> None:
    """This process, and those that it starts, go to a directory's servers, wherever the environment leads.

    Raises:
        UserError: no servers were ever started there.
    """
    if isinstance(ctx.command, click.Group):
        if state_dir is not None:
            ctx.meta[STATE_DIR_VARIABLE] = state_dir
            os.environ[STATE_DIR_VARIABLE] = str(state_dir.absolute())
        return
    state_dir = state_dir or ctx.meta.get(STATE_DIR_VARIABLE)
    if state_dir is None:
        return
    if not (state_dir / "env").is_file():
        raise UserError(
            f"--state-dir {state_dir}: there are no embedded servers; `iqstream up --state-dir {state_dir}` starts them"
        )
    environ = only_embedded(state_dir)
    for name in os.environ.keys() - environ.keys():
        del os.environ[name]
    os.environ.update(environ)


def _add_state_dir(command: click.Command) -> None:
    """Has a command, and those of a group, take `--state-dir`, unless it has one."""
    if not any("--state-dir" in parameter.opts for parameter in command.params):
        state_dir_option(command)
    if isinstance(command, click.Group):
        for one in command.commands.values():
            _add_state_dir(one)


def _require_text(command: click.Command) -> None:
    """Has arguments and options take plain text that is UTF-8, and paths that are given; a group's commands' too."""
    for parameter in command.params:
        if isinstance(parameter.type, click.types.StringParamType):
            parameter.type = Utf8Text()
        elif isinstance(parameter.type, click.Path):
            parameter.type = GivenPath(parameter.type)
    if isinstance(command, click.Group):
        for one in command.commands.values():
            _require_text(one)
