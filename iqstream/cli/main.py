"""The command line: which commands there are, and how an error becomes a message and an exit code."""

import contextlib
import signal
import sys

import click

from iqstream import __version__
from iqstream.cli.console import say
from iqstream.cli.lazy import LazyGroup, state_dir_option
from iqstream.runtime.errors import IqstreamError, UserError
from iqstream.runtime.logs import configure_logs
from iqstream.runtime.settings import load_settings, secrets_of
from iqstream.runtime.stages import STAGES
from iqstream.runtime.terminal import OutputLost, ReaderGone, discard_output, open_standard_streams

_MODULES = {
    "bench": "bench",
    "dashboard": "dashboard",
    "datasets": "datasets",
    "dead-letters": "dead_letters",
    "demo": "demo",
    "down": "stack",
    "generate": "generate",
    "ingest": "ingest",
    "init": "stack",
    "iq": "pictures",
    "lag": "lag",
    "listen": "listen",
    "replay": "replay",
    "spec": "spec",
    "status": "stack",
    "stream": "stream",
    "up": "stack",
    **dict.fromkeys(STAGES, "stages"),
}


@click.group(
    cls=LazyGroup,
    modules=_MODULES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="iqstream")
@state_dir_option
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


def _configure_logs() -> None:
    """As the settings say, where there are any: some commands need none, the others say what is wrong."""
    configure_logs("text")
    with contextlib.suppress(UserError):
        settings = load_settings(warn=False)
        configure_logs("text", level=settings.log_level, secrets=secrets_of(settings))


def main() -> None:
    """Runs the command line; ends the process."""
    open_standard_streams()
    _configure_logs()
    try:
        _run()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # what comes now ends a process that is done, without a word
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)


def _run() -> None:
    interrupted_by = signal.SIGINT

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal interrupted_by
        interrupted_by = signal.SIGTERM
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a script's background job
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGINT)  # whatever tidies up after Ctrl-C does so after SIGTERM

    signal.signal(signal.SIGTERM, interrupt)
    try:
        try:
            iqstream(standalone_mode=False)
        finally:
            sys.stdout.flush()
    except (click.exceptions.Abort, KeyboardInterrupt):  # click's own, and one that comes behind its end
        say("Interrupted.", err=True)
        sys.exit(128 + interrupted_by)
    except click.ClickException as error:
        say(*_lines(error), err=True)
        sys.exit(error.exit_code)
    except ReaderGone as error:
        discard_output()
        sys.exit(error.exit_code)
    except IqstreamError as error:
        if isinstance(error, OutputLost):
            discard_output()
        say(*f"Error: {error}".split("\n"), err=True)
        sys.exit(error.exit_code)


def _lines(error: click.ClickException) -> list[str]:
    """What is wrong with the usage, a line each; the message, which quotes what was typed, is one."""
    lines = []
    if isinstance(error, click.UsageError) and error.ctx is not None:
        lines = [*error.ctx.get_usage().split("\n"), f"Try '{error.ctx.command_path} --help' for help.", ""]
    return [*lines, f"Error: {error.format_message()}"]
