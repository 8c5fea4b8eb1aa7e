"""`iqstream dashboard`: the pages and the HTTP API."""

import asyncio
import contextlib
import os
import secrets
import socket
from pathlib import Path

import click

from iqstream.cli.console import say
from iqstream.cli.numbers import WholeNumber
from iqstream.client.asynchronous import aconnect
from iqstream.runtime.errors import UserError
from iqstream.runtime.settings import load_settings, state_directory

DEFAULT_PORT = 8700


@click.command(epilog="Example: iqstream dashboard --port 8700")
@click.option(
    "--port",
    type=WholeNumber(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Where to listen; 0 takes any free port and names it.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. Beyond this machine looking needs the token, too; put TLS in front.",
)
@click.option(
    "--allow-host",
    "allowed",
    multiple=True,
    metavar="NAME",
    help="A further name that browsers reach the dashboard by; may be given several times.",
)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the token; made if it is not there.  [default: dashboard-token in the state directory]",
)
def dashboard(port: int, host: str, allowed: tuple[str, ...], token_file: Path | None) -> None:
    """Serve the dashboard and its HTTP API until Ctrl-C: submit datasets, watch them, look at samples, see the lag.

    Whoever reaches the port may look. Changing something needs the token: sign in on the page, or send it as
    `Authorization: Bearer TOKEN`. The API is described in docs/reference/openapi.json and at /api/v1/openapi.json.
    """
    try:
        import uvicorn

        from iqstream.web.app import dashboard_app
        from iqstream.web.security import Access, allowed_hosts, is_loopback
    except ModuleNotFoundError as error:
        raise UserError(
            f"the dashboard needs {error.name}: install iqstream with its extra: pip install 'iqstream[web]'"
        ) from None
    place = token_file or state_directory() / "dashboard-token"
    access = Access(
        token=read_or_make_token(place),
        hosts=allowed_hosts(host, allowed),
        reading_needs_token=not is_loopback(host),
    )
    app = dashboard_app(aconnect(load_settings()), access)
    with contextlib.closing(_listening(host, port)) as listener:
        shown = f"[{host}]" if ":" in host else host
        say(f"The dashboard is at http://{shown}:{listener.getsockname()[1]}/. Ctrl-C ends it.")
        say(f"To change something, sign in with the token in {place}.")
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,  # events have no end of their own
            limit_concurrency=500,
        )
        with contextlib.suppress(KeyboardInterrupt):  # this is how serving ends
            asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


def read_or_make_token(place: Path) -> str:
    """Returns the token in a file that its owner alone may read; makes both where they are not there.

    Raises:
        UserError: the file cannot be read or written, is empty, or others may read it.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            file = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "w", encoding="ascii") as new:
                new.write(secrets.token_urlsafe(32) + "\n")
        token = place.read_text(encoding="utf-8").strip()
        kept = place.stat()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the dashboard's token in {place} cannot be read: {error}") from None
    # of another user: a secret that a container mounts, whose mode is not ours to set
    if kept.st_mode & 0o077 and kept.st_uid == os.geteuid():
        raise UserError(f"{place}: others may read the dashboard's token: chmod 600 {place}")
    if len(token) < 16:
        raise UserError(f"{place}: a token has 16 characters or more; delete the file, and a new one is made")
    return token


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UserError(f"cannot listen on {host}:{port}: {error.strerror}; --port names another port") from None
