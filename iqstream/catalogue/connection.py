"""Connections to PostgreSQL: made in one place, and what it means when there is none.

An error that waiting cannot mend is wrong settings (`UserError`), whatever the server or a library calls it; every
other one is an outage (`Unreachable`).
"""

from __future__ import annotations

import getpass
import os
import re
import socket
import ssl
import stat
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlencode

import asyncpg

from iqstream.runtime.errors import IqstreamError, Unreachable, WrongSettings
from iqstream.runtime.logs import hide
from iqstream.runtime.other_server import Server, server_at
from iqstream.runtime.outages import DatabaseAway
from iqstream.runtime.postgres_address import TLS_FILES, Host, PostgresAddress, parse_dsn

Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONNECT_TIMEOUT_S = 10.0
"""For all hosts together, where the DSN has no `connect_timeout`, which is for each."""
_SETTING = "IQSTREAM_POSTGRES_DSN"
_NEXT_HOST: tuple[type[Exception], ...] = (
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.TargetServerAttributeNotMatched,
)
"""With these another host is asked, as libpq does; a refused login is the same on all of them."""
_SOCKET_OPTIONS = {
    "keepalives_idle": "TCP_KEEPIDLE",
    "keepalives_interval": "TCP_KEEPINTVL",
    "keepalives_count": "TCP_KEEPCNT",
    "tcp_user_timeout": "TCP_USER_TIMEOUT",
}
_POOLER_REFUSES = re.compile(r"unsupported startup (parameter|options)|no such (database|user)")
"""PgBouncer gives one error code to what it refuses and to servers that are away."""


NOT_CONNECTED: tuple[type[Exception], ...] = (*DatabaseAway, ValueError)
"""What `connect` raises."""


class UnreadableFile(OSError):
    """A file that the DSN names is not there, or not for us to read."""


async def connect(dsn: str, *, timeout_s: float = CONNECT_TIMEOUT_S, **arguments: Any) -> Session:  # noqa: ANN401
    """A connection to the first of the DSN's hosts that is what `target_session_attrs` asks for.

    `arguments` are those of `asyncpg.connect`. The errors are the libraries'; `no_connection` says what they mean.

    Raises:
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: of the last host that was tried.
        ValueError: of `parse_dsn`.
    """
    address = parse_dsn(dsn)
    hosts: tuple[Host | None, ...] = address.hosts or (None,)
    common: dict[str, Any] = {
        "user": address.user or _user_of_this_process(),
        "password": address.password,
        "passfile": address.passfile and Path(address.passfile),  # as text it would not be read
        "database": address.database,
        "server_settings": dict(address.startup),
        "timeout": address.connect_timeout_s or timeout_s / len(hosts),
        **_tls_arguments(address),
        **arguments,
    }
    wish = address.target_session_attrs
    last: Exception | None = None
    for attributes in ("standby", "any") if wish == "prefer-standby" else (wish,):
        for host in hosts:
            chosen: dict[str, Any] = {"target_session_attrs": attributes}
            if host is not None:
                chosen |= {"host": host.name, "port": host.port}
            try:
                session: Session = await asyncpg.connect(**common, **chosen)
            except _NEXT_HOST as error:
                last = error
            else:
                _keep_alive(session, address)
                return session
    assert last is not None  # noqa: S101  # there is at least one host
    raise last


_OUTAGES: tuple[type[Exception], ...] = (
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
    ssl.SSLSyscallError,
    asyncpg.TargetServerAttributeNotMatched,
)
"""More special than the classes below: a server that went away within TLS, a fail-over that is under way."""
_WRONG_SETTINGS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (UnreadableFile, "is not asked: {reason}. Check the file, or {setting}."),
    (ssl.SSLCertVerificationError, "is not trusted: {reason}. Check sslmode and sslrootcert in {setting}."),
    (ssl.SSLError, "makes no TLS connection: {reason}. Check the ssl options in {setting}."),
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "rejected the login: {reason}. Check user, password and sslmode in {setting}.",
    ),
    (asyncpg.InvalidCatalogNameError, "rejected the login: {reason}. Check the database in {setting}."),
    (asyncpg.InsufficientPrivilegeError, "rejected the login: {reason}. Give the role CONNECT, or check {setting}."),
    (
        (asyncpg.FeatureNotSupportedError, asyncpg.DataError, asyncpg.SyntaxOrAccessError),
        "rejected an option: {reason}. Check {setting}.",
    ),
    ((asyncpg.InterfaceError, ValueError), "cannot be connected to: {reason}. Check {setting}, and PG* variables."),
)
"""What waiting does not mend, the first that fits, and what to look at."""


def no_connection(error: Exception, dsn: str) -> IqstreamError:
    """What to tell of an error of `connect`: `UserError` where no waiting helps, else `Unreachable`; no secret."""
    address = parse_dsn(dsn)
    where = f"PostgreSQL at {address}"
    reason = hide(str(error) or type(error).__name__, address.secrets)
    if isinstance(error, asyncpg.ProtocolViolationError) and _POOLER_REFUSES.search(reason):
        return WrongSettings(f"{where} rejected the login: {reason}. Check {_SETTING}.")
    if isinstance(error, ConnectionError) and "rejected SSL upgrade" in reason:
        return WrongSettings(f"{where} does not speak TLS. Check sslmode in {_SETTING}.")
    if not isinstance(error, _OUTAGES):
        for kinds, told in _WRONG_SETTINGS:
            if isinstance(error, kinds):
                return WrongSettings(f"{where} {told.format(reason=reason, setting=_SETTING)}")
    if isinstance(error, asyncpg.PostgresError):
        return Unreachable(f"{where} is not available now: {reason}.")
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return Unreachable(f"{where}: no host is {address.target_session_attrs} (target_session_attrs).")
    return Unreachable(
        f"{where} does not answer ({type(error).__name__}: {reason}). Start it with `iqstream up`, or set {_SETTING}."
    )


async def why_no_connection(error: Exception, dsn: str) -> IqstreamError:
    """As `no_connection`; where that is an outage, looks who answers at the DSN's hosts: another server stays one."""
    told = no_connection(error, dsn)
    if isinstance(told, Unreachable):
        for host in parse_dsn(dsn).hosts:
            found = None if host.name.startswith("/") else await server_at(host.name, host.port)
            if found not in {None, Server.POSTGRES}:
                return WrongSettings(f"{found} answers at {host}, not PostgreSQL. Check {_SETTING}.")
    return told


def _user_of_this_process() -> str:
    """Who connects where the DSN does not say: `PGUSER`, else the name of the process's user."""
    try:
        return os.environ.get("PGUSER") or getpass.getuser()
    except (KeyError, OSError):  # a container's user has no name
        raise asyncpg.ClientConfigurationError("the DSN has no user") from None


def _tls_arguments(address: PostgresAddress) -> dict[str, Any]:
    """The client's arguments; it has none for most options of TLS but those of a DSN."""
    for name in TLS_FILES:
        if name in address.tls and (name, address.tls[name]) != ("sslrootcert", "system"):
            _check_readable(name, address.tls[name])
    if address.passfile is not None:
        _check_readable("passfile", address.passfile)
        if Path(address.passfile).stat().st_mode & 0o077:
            raise UnreadableFile(f"passfile {address.passfile} is open to others: chmod 600 it")
    if address.tls.get("sslrootcert") == "system":
        return {"ssl": ssl.create_default_context(), "direct_tls": address.tls.get("sslnegotiation") == "direct"}
    return {"dsn": _tls_dsn(address)}


def _tls_dsn(address: PostgresAddress) -> str:
    return f"postgresql://?{urlencode(address.tls)}" if address.tls else "postgresql://"


def _check_readable(name: str, path: str) -> None:
    try:
        with Path(path).open("rb") as file:
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except OSError as error:
        raise UnreadableFile(f"{name} {path} cannot be read: {error.strerror}") from None
    if not regular:  # a device may never end
        raise UnreadableFile(f"{name} {path} is not a regular file")


def _keep_alive(session: Session, address: PostgresAddress) -> None:
    """Sets the socket's options; the client offers no way to. Unix sockets have none."""
    if not address.keepalive:
        return
    inner = session._transport.get_extra_info("socket")  # type: ignore[attr-defined]  # noqa: SLF001
    with socket.socket(fileno=socket.dup(inner.fileno())) as own:
        if own.family not in {socket.AF_INET, socket.AF_INET6}:
            return
        own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, address.keepalive.get("keepalives", 1))
        for name, constant in _SOCKET_OPTIONS.items():
            if address.keepalive.get(name) and hasattr(socket, constant):
                own.setsockopt(socket.IPPROTO_TCP, getattr(socket, constant), address.keepalive[name])
