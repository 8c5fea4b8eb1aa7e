"""All settings, read once from the environment and the state directory's `env` file into one frozen object."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from iqstream.runtime.errors import UserError

PREFIX = "IQSTREAM_"
STATE_DIR_VARIABLE = "IQSTREAM_STATE_DIR"
DEFAULT_STATE_DIR = Path(".iqstream")

DEFAULT_BUCKET = "heimdall-synthetic-iq"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the servers are and how to speak with them. Secrets are left out of the repr."""

    kafka_bootstrap: str
    postgres_dsn: str = field(repr=False)
    s3_endpoint: str
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)
    s3_secure: bool = False
    s3_region: str = ""
    s3_bucket: str = DEFAULT_BUCKET
    s3_cafile: str = ""
    kafka_security_protocol: str = "PLAINTEXT"
    kafka_sasl_mechanism: str = "SCRAM-SHA-512"
    kafka_sasl_username: str = ""
    kafka_sasl_password: str = field(default="", repr=False)
    kafka_ssl_cafile: str = ""
    kafka_ssl_certfile: str = ""
    kafka_ssl_keyfile: str = ""
    partitions: int = 12
    frames_retention_bytes: int = 512 * 1024 * 1024
    frames_segment_bytes: int = 64 * 1024 * 1024
    replication_factor: int = 1
    max_invalid_share: float = 0.5
    log_format: str = "text"
    metrics_host: str = "127.0.0.1"
    terrain_dir: str = ""


def secrets_of(settings: Settings) -> frozenset[str]:
    """What no log may show: the secret settings; of the database's address, the password within it."""
    values = {str(getattr(settings, item.name)) for item in fields(Settings) if not item.repr}
    values.discard(settings.postgres_dsn)
    address = urlsplit(settings.postgres_dsn)
    given = (address.password or "", *parse_qs(address.query).get("password", ()))
    return frozenset(value for value in (*values, *given, *map(unquote, given)) if value)


def state_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the embedded servers live: `IQSTREAM_STATE_DIR`, else `.iqstream` here."""
    return Path(environ.get(STATE_DIR_VARIABLE) or DEFAULT_STATE_DIR)


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process; the environment wins over the file that `iqstream up` wrote.

    Raises:
        UserError: lists every problem at once, each with the variable's name.
    """
    state_dir = state_directory(environ)
    values = read_env_file(state_dir / "env")
    values |= {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    reader = _Reader(values)
    settings = reader.settings()
    if reader.problems:
        listed = "\n".join(f"  {problem}" for problem in reader.problems)
        raise UserError(
            f"settings:\n{listed}\n"
            f"Run `iqstream up` for the embedded servers (it writes {state_dir / 'env'}), or set these."
        )
    return settings


def only_embedded(state_dir: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """An environment that leads to the embedded servers of a state directory, wherever it led before."""
    given = read_env_file(state_dir / "env")
    others = {name: value for name, value in environ.items() if name.removesuffix("_FILE") not in given}
    return others | given | {STATE_DIR_VARIABLE: str(state_dir.absolute())}


def read_env_file(path: Path) -> dict[str, str]:
    """`NAME=value` lines of a file; nothing where it does not exist."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"settings file {path} cannot be read: {error.strerror}") from None
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, value in pairs}


class _Reader:
    """Collects problems instead of stopping at the first."""

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values
        self.problems: list[str] = []

    def settings(self) -> Settings:
        positive = self._at_least(1)
        parsers: dict[str, Callable[[str], object]] = {
            "kafka_security_protocol": self._one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
            "kafka_sasl_mechanism": self._one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
            "s3_secure": _boolean,
            "s3_region": _region,
            "s3_bucket": _bucket,
            "partitions": positive,
            "replication_factor": positive,
            "frames_retention_bytes": self._at_least(1024 * 1024),
            "frames_segment_bytes": self._at_least(1024 * 1024),
            "max_invalid_share": _share,
            "log_format": self._one_of("text", "json"),
            "terrain_dir": _directory,
        }
        known = {item.name for item in fields(Settings)}
        for variable in sorted(self.values):
            name = variable.removeprefix(PREFIX).lower().removesuffix("_file")
            if name not in known and name not in {"cache_dir", "state_dir"}:
                self.problems.append(f"{variable} is not a setting of iqstream")
        given: dict[str, object] = {}
        for item in fields(Settings):
            text = self._text(item.name)
            if text is None:
                if item.default is item.default_factory:  # both are dataclasses.MISSING: it is required
                    self.problems.append(f"{PREFIX}{item.name.upper()} is not set")
                    given[item.name] = ""
                continue
            try:
                given[item.name] = parsers.get(item.name, str)(text)
            except ValueError as error:
                self.problems.append(f"{PREFIX}{item.name.upper()}: {error}")
        return Settings(**given)  # type: ignore[arg-type]  # each parser gives its field's type

    def _text(self, name: str) -> str | None:
        variable = f"{PREFIX}{name.upper()}"
        path = self.values.get(f"{variable}_FILE")
        if path is None:
            return self.values.get(variable) or None
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            self.problems.append(f"{variable}_FILE: {path} cannot be read: {error.strerror}")
            return ""

    @staticmethod
    def _one_of(*allowed: str) -> Callable[[str], str]:
        def parse(text: str) -> str:
            if text not in allowed:
                raise ValueError(f"{text!r} is none of {', '.join(allowed)}")
            return text

        return parse

    @staticmethod
    def _at_least(minimum: int) -> Callable[[str], int]:
        def parse(text: str) -> int:
            if not text.isdecimal() or int(text) < minimum:
                raise ValueError(f"{text!r} is not a whole number of at least {minimum}")
            return int(text)

        return parse


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise ValueError(f"{text!r} is not a number above 0 and up to 1")
    return share


def _boolean(text: str) -> bool:
    if text.lower() not in {"true", "false", "1", "0"}:
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() in {"true", "1"}


def _region(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", text):
        raise ValueError(f"{text!r} is not a region: write it as eu-central-1")
    return text


def _bucket(text: str) -> str:
    label = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
    if not (3 <= len(text) <= 63 and re.fullmatch(rf"{label}(\.{label})*", text)) or re.fullmatch(r"[0-9.]+", text):
        raise ValueError(f"{text!r} is not a bucket: 3 to 63 lower-case letters, digits, hyphens and dots")
    return text


def _directory(text: str) -> str:
    if not Path(text).is_dir():
        raise ValueError(f"{text!r} is not a directory")
    return text
