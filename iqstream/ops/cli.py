"""The command line: which commands there are, and how an error becomes a message and an exit code."""

import importlib
import sys

import click

from iqstream import __version__
from iqstream.runtime.errors import IqstreamError
from iqstream.runtime.logs import configure_logs

_MODULES = {
    "bench": "bench",
    "datasets": "datasets",
    "demo": "demo",
    "down": "stack",
    "extractor": "stages",
    "generate": "generate",
    "init": "stack",
    "lag": "lag",
    "producer": "stages",
    "sink": "stages",
    "status": "stack",
    "up": "stack",
}
"""Where each command is, under `iqstream.ops.commands`, and under its own name there."""


class Commands(click.Group):
    """Imports a command when it is asked for: a stage's start need not wait for a plotting library."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All names."""
        return sorted(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        if cmd_name not in _MODULES:
            return None
        module = importlib.import_module(f"iqstream.ops.commands.{_MODULES[cmd_name]}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101  # the table says so
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="iqstream")
def iqstream() -> None:
    """Training data for locating radio transmitters, as a stream.

    \b
    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 something needed is not reachable.

    \b
    First steps:
      iqstream demo                    the whole job on embedded servers
      iqstream generate --help         a dataset of your own
    """  # noqa: D301  # \b is click's mark for text that is not to be rewrapped


def main() -> None:
    """Runs the command line; ends the process."""
    configure_logs("text")
    try:
        iqstream(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except IqstreamError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; there is nobody to tell
        sys.exit(1)
