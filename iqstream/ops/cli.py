"""The command line: which commands there are, and how an error becomes a message and an exit code."""

import signal
import sys

import click

from iqstream import __version__
from iqstream.ops.commands.lazy import LazyGroup
from iqstream.runtime.errors import IqstreamError
from iqstream.runtime.logs import configure_logs

_MODULES = {
    "bench": "bench",
    "datasets": "datasets",
    "dead-letters": "dead_letters",
    "demo": "demo",
    "down": "stack",
    "extractor": "stages",
    "generate": "generate",
    "init": "stack",
    "lag": "lag",
    "producer": "stages",
    "replay": "replay",
    "sink": "stages",
    "status": "stack",
    "stream": "stream",
    "up": "stack",
}


@click.group(
    cls=LazyGroup,
    modules=_MODULES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="iqstream")
def iqstream() -> None:
    """Training data for locating radio transmitters, as a stream.

    \b
    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 something needed is not reachable,
    130 interrupted by Ctrl-C, 143 by SIGTERM.

    \b
    First steps:
      iqstream demo                    the whole job on embedded servers
      iqstream generate --help         a dataset of your own
    """  # noqa: D301  # \b is click's mark for text that is not to be rewrapped


def main() -> None:
    """Runs the command line; ends the process."""
    configure_logs("text")
    interrupted_by = signal.SIGINT

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal interrupted_by
        interrupted_by = signal.SIGTERM
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a script's background job
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGINT)  # whatever tidies up after Ctrl-C does so after SIGTERM

    signal.signal(signal.SIGTERM, interrupt)
    try:
        iqstream(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Interrupted.", err=True)
        sys.exit(128 + interrupted_by)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except IqstreamError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; there is nobody to tell
        sys.exit(1)
