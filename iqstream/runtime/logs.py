"""Structured logs: one line an event, as text for people or JSON for machines."""

import json
import logging
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TextIO

from iqstream.runtime.stages import STAGES
from iqstream.runtime.terminal import shown

HIDDEN = "[hidden]"
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@")
_SHORTEST_SECRET = 4
"""A shorter one would be found in every other word."""

_OURS = ("__main__", "iqstream", "schemas", *STAGES)
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def configure_logs(
    log_format: str, *, level: str = "info", stream: TextIO | None = None, secrets: Iterable[str] = ()
) -> None:
    """Sends all logging to standard error, or to `stream`, in `text` or `json`; `secrets` are hidden in every line.

    `level` is the least that is logged; of libraries it is `info` at the least: their details are not made for our
    readers, nor without secrets.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Redacted(JsonLines() if log_format == "json" else TextLines(), secrets))
    least = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=max(least, logging.INFO), handlers=[handler], force=True)
    for ours in _OURS:
        logging.getLogger(ours).setLevel(least)
    for noisy in ("asyncio", "numba", "alembic", "sqlalchemy"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # what these warn of (retries, fencing, lost servers) is handled where they are used, and told in our own words
    for handled in ("aiokafka", "urllib3"):
        logging.getLogger(handled).setLevel(logging.CRITICAL)
    for chatty in ("asyncpg.pool", "matplotlib"):  # matplotlib warns that its first start takes a while
        logging.getLogger(chatty).setLevel(logging.ERROR)
    logging.getLogger("asyncio").addFilter(_is_no_left_over_of_the_client)


def _is_no_left_over_of_the_client(record: logging.LogRecord) -> bool:
    """A Kafka client raises its error to us, and leaves a future or a task of its own that nobody can look at."""
    error = record.exc_info[1] if record.exc_info else None
    of_client = type(error).__module__ == "aiokafka.errors"  # not imported for every command
    what = record.getMessage()
    return not (
        of_client
        and (
            what.startswith("Future exception was never retrieved")
            or (what.startswith("Task exception was never retrieved") and "/aiokafka/" in what)
        )
    )


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD}


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def hide(text: str, secrets: Iterable[str]) -> str:
    """A text of somebody else's, with the secrets hidden."""
    return _hidden(text, _spellings(secrets))


def _spellings(secrets: Iterable[str]) -> list[str]:
    """The secrets in the ways that a text may have them; one that holds another comes first."""
    known = {secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}
    spelt = {write(secret)[1:-1] for secret in known for write in (json.dumps, repr)}
    return sorted(known | spelt | set(map(shown, known)), key=len, reverse=True)


def _hidden(text: str, spellings: Iterable[str]) -> str:
    for secret in spellings:
        text = text.replace(secret, HIDDEN)
    return _PASSWORD_IN_URL.sub(rf"\1:{HIDDEN}@", text)


class Redacted(logging.Formatter):
    """Another formatter's lines, tracebacks included, with the secrets hidden."""

    def __init__(self, lines: logging.Formatter, secrets: Iterable[str]) -> None:
        super().__init__()
        self._lines = lines
        self._spellings = _spellings(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return _hidden(self._lines.format(record), self._spellings)


class TextLines(logging.Formatter):
    """`time level logger: message key=value ...`; a traceback is indented, so that each event begins a line."""

    def format(self, record: logging.LogRecord) -> str:
        pairs = "".join(f" {name}={shown(str(value))}" for name, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname:<7} {record.name}: {shown(record.getMessage())}{pairs}"
        trace = self.formatException(record.exc_info).split("\n") if record.exc_info else ()
        return "\n  ".join([line, *map(shown, trace)])


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        event = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        event |= _fields(record)
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str)
