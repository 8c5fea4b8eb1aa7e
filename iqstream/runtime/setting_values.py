"""How the text of one setting becomes its value. A `ValueError` says what is allowed."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from iqstream.runtime.postgres_address import is_host_name, parse_dsn
from iqstream.runtime.typed_numbers import read_number, read_whole

KAFKA_PORT = 9092
_LARGEST_PORT = 65_535


def one_of(*allowed: str) -> Callable[[str], str]:
    """One of a few words, in capitals or not."""
    by_lower = {word.lower(): word for word in allowed}

    def parse(text: str) -> str:
        if text.lower() not in by_lower:
            raise ValueError(f"{_shown(text)} is not one of {', '.join(allowed)}")
        return by_lower[text.lower()]

    return parse


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A whole number within bounds."""

    def parse(text: str) -> int:
        try:
            number = read_whole(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise ValueError(f"{_shown(text)} is not a whole number from {least} to {most}")
        return number

    return parse


UNBOUNDED = -1
"""Kafka's word for a retention without a limit."""
_PORTABLE_BYTES = whole_number(1024 * 1024, 2**63 - 1)


def retention_bytes(text: str) -> int:
    """Bytes of a topic's partition, as Kafka writes them: -1 keeps everything."""
    return UNBOUNDED if text == str(UNBOUNDED) else _PORTABLE_BYTES(text)


def share(text: str) -> float:
    """A number above 0 and up to 1."""
    try:
        value = read_number(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise ValueError(f"{_shown(text)} is not a number above 0 and up to 1")
    return value


def boolean(text: str) -> bool:
    """`true`, `false`, `1` or `0`."""
    if text.lower() not in {"true", "false", "1", "0"}:
        raise ValueError(f"{_shown(text)} is neither true nor false")
    return text.lower() in {"true", "1"}


def region(text: str) -> str:
    """A region of an object store."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", text):
        raise ValueError(f"{_shown(text)} is not a region: write it as eu-central-1")
    return text


def bucket(text: str) -> str:
    """A bucket, by S3's rules for names."""
    label = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
    if not (3 <= len(text) <= 63 and re.fullmatch(rf"{label}(\.{label})*", text)) or re.fullmatch(r"[0-9.]+", text):
        raise ValueError(f"{_shown(text)} is not a bucket: 3 to 63 lower-case letters, digits, hyphens and dots")
    return text


def directory(text: str) -> str:
    """A directory that is there."""
    if not Path(text).is_dir():
        raise ValueError(f"{_shown(text)} is not a directory")
    return text


def postgres_dsn(text: str) -> str:
    """A DSN that can be used, as it is."""
    parse_dsn(text)
    return text


def host(text: str) -> str:
    """A host name or an address, without a port."""
    if not is_host_name(text):
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise ValueError(f"{_shown(text)} is not a host name or address; no port belongs here") from None
    return text


def label(text: str) -> str:
    """A word that can be part of a name in Kafka."""
    if not is_host_name(text) or not text.isascii() or len(text) > 100:
        raise ValueError(f"{_shown(text)} is not a name of letters, digits, '-', '_' and '.', at most 100 of them")
    return text


def kafka_bootstrap(text: str) -> str:
    """`HOST:PORT,HOST:PORT`; blanks around the commas go."""
    form = "write HOST:PORT,HOST:PORT"
    if "://" in text:
        raise ValueError(f"no scheme belongs here: {form}; TLS and SASL are IQSTREAM_KAFKA_SECURITY_PROTOCOL")
    if "@" in text:  # before the commas: one may stand in the password
        raise ValueError(
            f"no user or password belongs here: {form}; they are IQSTREAM_KAFKA_SASL_USERNAME and _PASSWORD"
        )
    return ",".join(_server(part.strip(), form, default_port=KAFKA_PORT) for part in text.split(","))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`HOST:PORT`, and whether a scheme before it asks for TLS; None where there was none."""

    place: str
    secure: bool | None


def s3_endpoint(text: str) -> Endpoint:
    """`HOST:PORT`, `https://HOST:PORT` or `http://HOST:PORT`."""
    form = "write HOST:PORT, https://HOST:PORT or http://HOST:PORT"
    scheme, separator, rest = text.partition("://")
    if not separator:
        return Endpoint(_server(text, form), None)
    if scheme.lower() not in {"http", "https"}:
        raise ValueError(f"the scheme is neither http nor https: {form}")
    return Endpoint(_server(rest.removesuffix("/"), form), scheme.lower() == "https")


def _server(text: str, form: str, default_port: int | None = None) -> str:
    """`HOST:PORT` with the host's form and the port's range checked; a path, a login or the like is refused."""
    name, bracket, port = text.rpartition("]") if text.startswith("[") else ("", "", text)
    if bracket:
        try:
            ipaddress.IPv6Address(name[1:])
        except ValueError:
            raise ValueError(f"{_shown(text)} is not an IPv6 address in brackets: {form}") from None
        name, colon, port = f"{name}]", port[:1], port[1:]
    else:
        name, colon, port = text.partition(":")
        if not is_host_name(name):
            raise ValueError(f"{_shown(text)} is not a host and a port: {form}")
    if colon not in {"", ":"} or bool(colon) != bool(port):
        raise ValueError(f"{_shown(text)} is not a host and a port: {form}")
    if not port:
        return f"{name}:{default_port}" if default_port else name
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= _LARGEST_PORT):
        raise ValueError(f"{_shown(name)} has no port from 1 to {_LARGEST_PORT}: {form}")
    return f"{name}:{port}"


def _shown(text: str) -> str:
    """The text for a message, unless a login may stand in it: an address or `password=...` of another setting."""
    harmless = len(text) <= 200 and not re.search(r"@|://|passw|pwd|secret", text, re.IGNORECASE)
    return repr(text) if harmless else "this"
