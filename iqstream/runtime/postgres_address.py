"""PostgreSQL's address as a DSN gives it. A refusal says the right form, and repeats nothing that may be a password."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from urllib.parse import quote, unquote

DEFAULT_PORT = 5432
FORM = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE"
_ENCODED = (
    f"it is not of the form {FORM}: within user, password and options write "
    "@ as %40, / as %2F, ? as %3F, # as %23, : as %3A, & as %26, % as %25"
)
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SESSION_ATTRIBUTES = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")
_TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

_TLS = frozenset(
    {
        "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslpassword", "sslnegotiation",
        "ssl_min_protocol_version", "ssl_max_protocol_version",
    }
)  # fmt: skip
TLS_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_NUMBERS: Mapping[str, int] = {
    "connect_timeout": 86_400,
    "keepalives_idle": 32_767,
    "keepalives_interval": 32_767,
    "keepalives_count": 127,
    "tcp_user_timeout": 2**31 - 1,
}
"""The largest value of each: a day; of the others what the system's sockets take."""
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "sslmode": _SSL_MODES,
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
    "target_session_attrs": _SESSION_ATTRIBUTES,
    "keepalives": ("0", "1"),
    # of these the client does one thing only: what asks for that is welcome
    "channel_binding": ("disable", "prefer"),
    "client_encoding": ("utf8", "utf-8", "UTF8", "UTF-8"),
    "gssencmode": ("disable", "prefer"),
    "load_balance_hosts": ("disable",),
    "replication": ("false", "off", "no", "0"),
    "requiressl": ("0",),
    "sslcertmode": ("allow",),
    "sslcompression": ("0",),
    "sslsni": ("1",),
}
_FREE = ("application_name", "fallback_application_name", "options", "passfile")
_PARTS = ("host", "port", "user", "password", "dbname", "database")
OPTIONS = frozenset({*_TLS, *_NUMBERS, *_CHOICES, *_FREE, *_PARTS})
"""Every option that a DSN may have: those of libpq that the client can do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One server: a name, an address, or the directory of a Unix socket."""

    name: str
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresAddress:
    """Where PostgreSQL is and how to connect; `str()` of it shows no secret, nor does `repr()`.

    Args:
        hosts: tried in this order; none: `PGHOST`, or the local socket.
        connect_timeout_s: for each host; None: not given.
        keepalive: options of the socket by their names in a DSN, as whole numbers; s, or ms for `tcp_user_timeout`.
        startup: parameters of the server that a session starts with.
        tls: options that say how to encrypt.
        target_session_attrs: which of the hosts will do. One that can be written to, of several.
    """

    hosts: tuple[Host, ...] = ()
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    passfile: str | None = None
    database: str | None = None
    connect_timeout_s: int | None = None
    keepalive: Mapping[str, int] = field(default_factory=dict)
    startup: Mapping[str, str] = field(default_factory=dict)
    tls: Mapping[str, str] = field(default_factory=dict, repr=False)
    target_session_attrs: str = "any"

    def __str__(self) -> str:
        return f"{','.join(map(str, self.hosts)) or 'the local socket'}/{self.database or ''}"

    @property
    def secrets(self) -> frozenset[str]:
        """Passwords, as they are and as a DSN spells them."""
        plain = {secret for secret in (self.password, self.tls.get("sslpassword")) if secret}
        return frozenset(plain | {quote(secret, safe="") for secret in plain} | {quote(secret) for secret in plain})


def parse_dsn(dsn: str) -> PostgresAddress:
    """Reads `postgresql://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?OPTION=VALUE&...`.

    What may be part of the password is not repeated: an `@` in the wrong place says that a user or password was not
    written as it must be, before anything else is looked at.

    Raises:
        ValueError: what is wrong, by the names of parts and options, and the right form.
    """
    scheme, separator, rest = dsn.partition("://")
    if not separator or scheme not in {"postgresql", "postgres"}:
        raise ValueError(f"it is not of the form {FORM}")
    body, _, query = rest.partition("?")
    authority, _, path = body.partition("/")
    if "#" in rest or "@" in path or "@" in query or authority.count("@") > 1:
        raise ValueError(_ENCODED)
    login, _, places = authority.rpartition("@")
    user, _, password = login.partition(":")
    given = _options(query)
    parts = {
        "host": places,
        "user": _decoded(user, "the user"),
        "password": _decoded(password, "the password"),
        "dbname": _decoded(path, "the database"),
    }
    for name, part in parts.items():
        if part and (name in given or (name == "dbname" and "database" in given)):
            raise ValueError(f"{name} is given twice, before the ? and as an option after it")
    hosts = _hosts([_decoded(place, "the host") for place in places.split(",")], None) if places else ()
    if "host" in given:
        hosts = _hosts(given["host"].split(","), given.get("port"))
    elif "port" in given:
        raise ValueError("port is an option without host: write the port behind the host, HOST:PORT")
    startup = {"application_name": given.get("application_name") or given.get("fallback_application_name", "iqstream")}
    if "options" in given:
        startup["options"] = given["options"]
    keepalive = {name: int(given[name]) for name in given if name.startswith("keepalives")}
    if "tcp_user_timeout" in given:
        keepalive["tcp_user_timeout"] = int(given["tcp_user_timeout"])
    return PostgresAddress(
        hosts=hosts,
        user=parts["user"] or given.get("user"),
        password=parts["password"] or given.get("password"),
        passfile=given.get("passfile"),
        database=parts["dbname"] or given.get("dbname") or given.get("database"),
        connect_timeout_s=int(given.get("connect_timeout", "0")) or None,
        keepalive=keepalive,
        startup=startup,
        tls={name: given[name] for name in given if name in _TLS},
        target_session_attrs=given.get("target_session_attrs", "read-write" if len(hosts) > 1 else "any"),
    )


def _decoded(text: str, what: str) -> str:
    """Percent-encoding undone."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError(f"{what} has a % that encodes nothing: write % as %25")
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"{what} is not UTF-8 text when its %-codes are read") from None
    if "\0" in decoded:
        raise ValueError(f"{what} has a null character, which PostgreSQL cannot take")
    return decoded


def _options(query: str) -> dict[str, str]:
    """The options behind the question mark, each known and of a value that it can have."""
    given: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, equals, text = part.partition("=")
        if not equals or not name:
            raise ValueError("an option after the ? is not of the form NAME=VALUE; & within a value is written as %26")
        if name not in OPTIONS:  # what stands behind a password may be its end
            raise ValueError(_unknown("" if "password=" in query else name))
        if name in given:
            raise ValueError(f"option {name} is given twice")
        given[name] = _option_value(name, _decoded(text, f"option {name}"))
    if given.keys() >= {"dbname", "database"}:
        raise ValueError("dbname is given twice, as dbname and as database")
    if given.get("sslrootcert") == "system" and given.get("sslmode") != "verify-full":
        raise ValueError("sslrootcert=system needs sslmode=verify-full beside it")
    if given.get("sslnegotiation") == "direct" and given.get("sslmode") not in _SSL_MODES[3:]:
        raise ValueError("sslnegotiation=direct needs sslmode=require, verify-ca or verify-full beside it")
    return given


def _option_value(name: str, value: str) -> str:
    if value == "":
        raise ValueError(f"option {name} is empty: leave it out or give it a value")
    if name in _NUMBERS and not (value.isascii() and value.isdigit()):
        raise ValueError(f"option {name} is not a whole number")
    if name in _NUMBERS and (len(value) > 10 or int(value) > _NUMBERS[name]):
        raise ValueError(f"option {name} is too large: at most {_NUMBERS[name]}")
    if name in _CHOICES and value not in _CHOICES[name]:
        note = _NO_CHANNEL_BINDING if name == "channel_binding" else ""
        raise ValueError(f"option {name} is not one of {', '.join(_CHOICES[name])}{note}")
    return value


_NO_CHANNEL_BINDING = (
    ": the client cannot bind a login to its TLS channel. Leave it out; sslmode=verify-full proves who the server is"
)


def _unknown(name: str) -> str:
    """What is said of an option that is not known, by its name unless that may be a secret."""
    known = f"known are {', '.join(sorted(OPTIONS))}. A setting of the server goes into options=-c%20NAME%3DVALUE"
    if not re.fullmatch(r"\w{1,40}", name):
        return f"an option cannot be used; {known}"
    near = get_close_matches(name, OPTIONS, n=1, cutoff=0.75)
    advice = f"is {near[0]} meant?" if near else "leave it out."
    return f"option {name} cannot be used: {advice} {known[0].upper()}{known[1:]}"


def _hosts(places: list[str], ports: str | None) -> tuple[Host, ...]:
    """Hosts and ports, of each host or of a list beside them. `places` are decoded."""
    beside = ports.split(",") if ports else []
    if len(beside) > 1 and len(beside) != len(places):
        raise ValueError(f"{len(beside)} ports do not fit {len(places)} hosts")
    hosts = []
    for index, place in enumerate(places):
        which = f"host {index + 1} of {len(places)}" if len(places) > 1 else "the host"
        name, port = _name_and_port(place, which)
        if beside:
            if port:
                raise ValueError(f"the port of {which} is given twice")
            port = beside[index % len(beside)]
        hosts.append(Host(name=name, port=_port(port, which) if port else DEFAULT_PORT))
    return tuple(hosts)


def _name_and_port(place: str, which: str) -> tuple[str, str]:
    if place.startswith("/"):
        return place, ""
    if place.startswith("["):
        name, bracket, port = place[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise ValueError(f"{which} is not of the form [IPV6]:PORT")
        try:
            ipaddress.IPv6Address(name)
        except ValueError:
            raise ValueError(f"{which} is not an IPv6 address between its brackets") from None
        return name, port[1:]
    name, colon, port = place.partition(":")
    if ":" in port:
        raise ValueError(f"{which} has more than one colon: an IPv6 address stands in brackets, [::1]:5432")
    if colon and not port:
        raise ValueError(f"{which} ends with a colon and no port")
    if not is_host_name(name):
        raise ValueError(f"{which} is not a host name or address")
    return name, port


def is_host_name(text: str) -> bool:
    """Whether this can be looked up: letters, digits, `-`, `_` and dots, in labels of at most 63."""
    if not re.fullmatch(r"[\w-]+(\.[\w-]+)*\.?", text):
        return False
    try:
        text.encode("idna")
    except UnicodeError:
        return False
    return True


def _port(text: str, which: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65_535):
        raise ValueError(f"the port of {which} is not a number from 1 to 65535")
    return int(text)
