"""All settings, read once from the environment and the state directory's `env` file into one frozen object."""

import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, get_args, get_type_hints

from iqstream.runtime import setting_values as value
from iqstream.runtime.errors import UserError
from iqstream.runtime.postgres_address import parse_dsn
from iqstream.runtime.text_files import NotText, read_text_file, unread

log = logging.getLogger(__name__)

PREFIX = "IQSTREAM_"
STATE_DIR_VARIABLE = "IQSTREAM_STATE_DIR"
DEFAULT_STATE_DIR = Path(".iqstream")
OTHER_VARIABLES = frozenset(
    {
        "STATE_DIR", "CACHE_DIR",
        # of docker-compose.yml
        "TAG", "SECRETS", "STAGE_CPUS",
        "KAFKA_PORT", "POSTGRES_PORT", "S3_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT",
    }
)  # fmt: skip
"""Variables of ours that are no settings."""
_SERVICE_LINK = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)")
"""What Kubernetes sets in every pod for a service whose name begins with `iqstream-`."""
_NEAR = 0.75
"""How alike two names are that may be the same one misspelt."""
_LARGEST_BYTES = 2**63 - 1

DEFAULT_BUCKET = "heimdall-synthetic-iq"


@dataclass(frozen=True, slots=True)
class Setting:
    """What one setting is for, and how its text is read."""

    meaning: str
    parse: Callable[[str], object] = str


_PORTABLE_BYTES = value.whole_number(1024 * 1024, _LARGEST_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the servers are and how to speak with them. Secrets are left out of the repr."""

    kafka_bootstrap: Annotated[
        str, Setting("Kafka's brokers to begin with: `HOST:PORT,HOST:PORT`", value.kafka_bootstrap)
    ]
    postgres_dsn: Annotated[
        str,
        Setting(
            "PostgreSQL: `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE`, percent-encoded; several hosts "
            "separated by commas",
            value.postgres_dsn,
        ),
    ] = field(repr=False)
    s3_endpoint: Annotated[
        str,
        Setting(
            "The object store: `HOST:PORT`; `https://` or `http://` before it says `IQSTREAM_S3_SECURE` too",
            value.s3_endpoint,
        ),
    ]
    s3_access_key: Annotated[str, Setting("The object store's access key")] = field(repr=False)
    s3_secret_key: Annotated[str, Setting("The object store's secret key")] = field(repr=False)
    s3_secure: Annotated[bool, Setting("Speak TLS with the object store", value.boolean)] = False
    s3_region: Annotated[
        str, Setting("The object store's region, as `eu-central-1`; empty: asked of the server", value.region)
    ] = ""
    s3_bucket: Annotated[str, Setting("The bucket that holds the IQ", value.bucket)] = DEFAULT_BUCKET
    s3_cafile: Annotated[
        str, Setting("A file of authorities that the object store's certificate is checked by; empty: the system's")
    ] = ""
    kafka_security_protocol: Annotated[
        str,
        Setting(
            "`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`",
            value.one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
        ),
    ] = "PLAINTEXT"
    kafka_sasl_mechanism: Annotated[
        str,
        Setting(
            "How to log in to Kafka: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`",
            value.one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        ),
    ] = "SCRAM-SHA-512"
    kafka_sasl_username: Annotated[str, Setting("Kafka's user, where the protocol is a SASL one")] = ""
    kafka_sasl_password: Annotated[str, Setting("The password of Kafka's user")] = field(default="", repr=False)
    kafka_ssl_cafile: Annotated[
        str, Setting("A file of authorities that the brokers' certificates are checked by; empty: the system's")
    ] = ""
    kafka_ssl_certfile: Annotated[str, Setting("A client certificate for Kafka, a PEM file; empty: none")] = ""
    kafka_ssl_keyfile: Annotated[str, Setting("Its key; empty: it stands in the certificate's file")] = ""
    partitions: Annotated[
        int,
        Setting(
            "Partitions of each topic that `init` makes: the most workers of a stage", value.whole_number(1, 10_000)
        ),
    ] = 12
    frames_retention_bytes: Annotated[
        int, Setting("How much of `iq.frames` Kafka keeps, in bytes per partition", _PORTABLE_BYTES)
    ] = 512 * 1024 * 1024
    features_retention_bytes: Annotated[
        int,
        Setting("How much of `iq.features` Kafka keeps, in bytes per partition; -1: everything", value.retention_bytes),
    ] = value.UNBOUNDED
    frames_segment_bytes: Annotated[
        int,
        Setting(
            "The size of a file of `iq.frames`, in bytes: what is deleted at once",
            value.whole_number(1024 * 1024, 2**31 - 1),
        ),
    ] = 64 * 1024 * 1024
    replication_factor: Annotated[
        int, Setting("Copies of each topic that `init` makes", value.whole_number(1, 2**15 - 1))
    ] = 1
    max_invalid_share: Annotated[
        float, Setting("The share of records that cannot be read, above which a stage stops", value.share)
    ] = 0.5
    log_format: Annotated[
        str, Setting("Logs of the stages: `text` for people, `json` for machines", value.one_of("text", "json"))
    ] = "text"
    log_level: Annotated[
        str,
        Setting(
            "The least that is logged: `debug`, `info`, `warning` or `error`",
            value.one_of("debug", "info", "warning", "error"),
        ),
    ] = "info"
    host_name: Annotated[
        str,
        Setting(
            "This host's name in the consumer groups, of no two hosts the same; empty: the system's host name",
            value.label,
        ),
    ] = ""
    standby: Annotated[
        bool,
        Setting(
            "Whether a service keeps one more process ready, which takes a dead worker's place at once, and 150 MB; "
            "without, a new process starts",
            value.boolean,
        ),
    ] = True
    metrics_host: Annotated[str, Setting("The address that workers serve their metrics on", value.host)] = "127.0.0.1"
    terrain_dir: Annotated[str, Setting("A directory of SRTM tiles; empty: procedural terrain", value.directory)] = ""


def setting_of(name: str) -> Setting:
    """The description that stands beside a field of `Settings`."""
    return _SETTINGS[name]


_SETTINGS: Mapping[str, Setting] = {
    name: get_args(hint)[1] for name, hint in get_type_hints(Settings, include_extras=True).items()
}
_SECRET = frozenset(item.name for item in fields(Settings) if not item.repr)
"""Settings whose text is never shown."""


def secrets_of(settings: Settings) -> frozenset[str]:
    """What no log may show: the secret settings; of the database's address, the passwords within it."""
    values = {str(getattr(settings, name)) for name in _SECRET}
    values.discard(settings.postgres_dsn)
    values |= parse_dsn(settings.postgres_dsn).secrets
    return frozenset(value for value in values if value)


def state_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the embedded servers live: `IQSTREAM_STATE_DIR`, else `.iqstream` here."""
    return Path(environ.get(STATE_DIR_VARIABLE) or DEFAULT_STATE_DIR)


def load_settings(environ: Mapping[str, str] = os.environ, *, warn: bool = True) -> Settings:
    """The settings of this process; the environment wins over the file that `iqstream up` wrote.

    Variables that are not settings are no error: other programs have some that begin alike. One that looks like a
    setting misspelt is logged as a warning, unless `warn` is off.

    Raises:
        UserError: lists every problem at once, each with the variable's name.
    """
    state_dir = state_directory(environ)
    in_file = read_env_file(state_dir / "env")
    if warn:
        for variable, meant in _misspelt({**in_file, **environ}):
            log.warning("%s is not a setting of iqstream: is %s meant?", variable, meant)
    reader = _Reader(in_file, environ)
    settings = reader.settings()
    if settings is None:
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
    """`NAME=value` lines of a file; nothing where it does not exist.

    Raises:
        UserError: it cannot be read, or is not text.
    """
    try:
        text = read_text_file(path)
    except FileNotFoundError:
        return {}
    except (OSError, NotText) as error:
        raise UserError(f"settings file {path} {unread(error)}") from None
    lines = text.split("\n")  # not at the other characters that str.splitlines() takes for line ends
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, value in pairs}


def _misspelt(variables: Mapping[str, str]) -> list[tuple[str, str]]:
    """Variables that no setting has the name of, each with the setting that it may mean."""
    found = []
    for variable in sorted(name for name in variables if name.startswith(PREFIX)):
        whole = variable.removeprefix(PREFIX)
        name = whole.removesuffix("_FILE")
        if name.lower() in _SETTINGS or whole in OTHER_VARIABLES or _SERVICE_LINK.fullmatch(whole):
            continue
        if near := get_close_matches(name, [known.upper() for known in _SETTINGS], n=1, cutoff=_NEAR):
            found.append((variable, PREFIX + near[0]))
    return found


class _Reader:
    """Collects problems instead of stopping at the first."""

    def __init__(self, in_file: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self._places = (environ, in_file)
        self.problems: list[str] = []

    def settings(self) -> Settings | None:
        """The settings; None where there are problems."""
        given: dict[str, object] = {}
        for item in fields(Settings):
            if text := self._text(item.name):
                try:
                    given[item.name] = _SETTINGS[item.name].parse(text)
                except ValueError as error:
                    self.problems.append(f"{_variable(item.name)}: {error}")
            elif text is None and item.default is MISSING:
                self.problems.append(f"{_variable(item.name)} is not set")
        self._endpoint(given)
        self._login(given)
        if self.problems:
            return None
        return Settings(**given)  # type: ignore[arg-type]  # each parser gives its field's type

    def _text(self, name: str) -> str | None:
        """The setting's text; None where it is not set or blank, empty after a problem."""
        variable = _variable(name)
        for place in self._places:
            text, path = ((place.get(name) or "").strip() for name in (variable, f"{variable}_FILE"))
            if text and path:
                self.problems.append(f"{variable} and {variable}_FILE are both set: leave one out")
            if path:
                return self._content(f"{variable}_FILE", path, secret=name in _SECRET)
            if text:
                return self._plain(variable, text)
        return None

    def _content(self, variable: str, path: str, *, secret: bool) -> str:
        # a secret, or an address that holds one, may have been set where the path of its file belongs
        shown = repr(path) if "@" not in path and (Path(path).is_absolute() or not secret) else "its file"
        try:
            text = read_text_file(Path(path)).strip()
        except (OSError, NotText) as error:
            self.problems.append(f"{variable}: {shown} {unread(error)}")
            return ""
        except ValueError:  # what Python says of a path that holds a null character
            self.problems.append(f"{variable} is not the path of a file")
            return ""
        if not text:
            self.problems.append(f"{variable}: {shown} is empty")
        return self._plain(variable, text)

    def _plain(self, variable: str, text: str) -> str:
        if not text.isprintable() and re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", text):
            self.problems.append(f"{variable} is not one line of UTF-8 text without control characters")
            return ""
        return text

    def _endpoint(self, given: dict[str, object]) -> None:
        """A scheme before the object store's address says whether to speak TLS."""
        endpoint = given.get("s3_endpoint")
        if not isinstance(endpoint, value.Endpoint):
            return
        given["s3_endpoint"] = endpoint.place
        if endpoint.secure is not None and given.setdefault("s3_secure", endpoint.secure) != endpoint.secure:
            self.problems.append(
                f"{_variable('s3_endpoint')} begins with {'https' if endpoint.secure else 'http'}://, and "
                f"{_variable('s3_secure')} says the opposite: leave one out"
            )

    def _login(self, given: Mapping[str, object]) -> None:
        """Whoever logs in to Kafka has a name and a password."""
        if not str(given.get("kafka_security_protocol", "")).startswith("SASL"):
            return
        for name in ("kafka_sasl_username", "kafka_sasl_password"):
            if name not in given:
                self.problems.append(
                    f"{_variable(name)} is not set, and {_variable('kafka_security_protocol')} is "
                    f"{given['kafka_security_protocol']}"
                )


def _variable(name: str) -> str:
    return PREFIX + name.upper()
