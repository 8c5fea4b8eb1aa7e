"""The dashboard as a process beside a command that goes on."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping

from iqstream.cli.console import Console
from iqstream.runtime.errors import Failed

STOP_S = 10


@contextlib.contextmanager
def dashboard_beside(environ: Mapping[str, str], console: Console) -> Iterator[subprocess.Popen[str]]:
    """Serves the dashboard on a free port until the context ends; its address and its token's file are told first.

    Raises:
        Failed: it did not start; it has said why on standard error.
    """
    command = [sys.executable, "-m", "iqstream", "dashboard", "--port", "0"]
    with subprocess.Popen(command, env=dict(environ), stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None  # noqa: S101  # a pipe
            told = [running.stdout.readline().strip() for _ in ("address", "token")]
            if not all(told):
                raise Failed("the dashboard did not start")
            for line in told:
                console.print(line.replace(" Ctrl-C ends it.", ""), style="bold", soft_wrap=True)
            yield running
        finally:
            running.terminate()
            try:
                running.wait(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                running.kill()


def serve_until_ctrl_c(running: subprocess.Popen[str], console: Console) -> None:
    """Waits until somebody presses Ctrl-C, or the dashboard ends by itself."""
    console.print()
    console.print("The dashboard goes on until Ctrl-C.", style="bold")
    with contextlib.suppress(KeyboardInterrupt):
        running.wait()
