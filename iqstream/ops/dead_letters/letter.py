"""A dead letter: the bytes of a record that could not be processed, where it stood, and whose it was. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from iqstream.runtime.errors import UserError
from schemas import failure_of_frame, failures_of_shard
from sink.join import SampleKey, sample_of

_ORIGIN = re.compile(r"^([A-Za-z0-9._-]{1,249}):([0-9]{1,10}):([0-9]{1,19})$")
_OURS = ("origin", "stage", "error", "message", "key")
"""The headers that were put before the record's own."""


class Origin(NamedTuple):
    """Where the record stood."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One record that could not be processed."""

    origin: Origin
    stage: str
    error: str
    """The error's class."""
    message: str
    key: bytes
    headers: tuple[tuple[str, bytes], ...]
    """The record's own."""
    value: bytes
    kept_at: datetime

    def samples(self) -> tuple[SampleKey, ...]:
        """The samples that the record was about, as its key and headers say; none where it was a stranger's."""
        record = _Received(
            topic=self.origin.topic,
            partition=self.origin.partition,
            offset=self.origin.offset,
            key=self.key,
            headers=self.headers,
        )
        if "dataset_version" not in dict(self.headers):
            return ()
        if self.stage == "producer":
            failures = failures_of_shard(record, stage=self.stage, error=ValueError())
        else:
            failure = failure_of_frame(record, stage=self.stage, error=ValueError())
            failures = [] if failure is None else [failure]
        return tuple(sample_of(failure) for failure in failures)


@dataclass(slots=True, kw_only=True)
class _Received:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes]]


def parse_origin(text: str) -> Origin:
    """`topic:partition:offset`.

    Raises:
        UserError: anything else.
    """
    match = _ORIGIN.match(text)
    if match is None:
        raise UserError(f"{text!r} is no origin of a dead letter: write topic:partition:offset, as `list` shows it")
    return Origin(match[1], int(match[2]), int(match[3]))


def read_letter(value: bytes, headers: Iterable[tuple[str, bytes]], kept_at: datetime) -> DeadLetter | None:
    """A record of the dead letters' topic; None for one that is none of ours."""
    given = list(headers)
    ours = dict(given[: len(_OURS)])
    match = _ORIGIN.match(_text(ours, "origin"))
    if tuple(ours) != _OURS or match is None:
        return None
    return DeadLetter(
        origin=Origin(match[1], int(match[2]), int(match[3])),
        stage=_text(ours, "stage"),
        error=_text(ours, "error"),
        message=_text(ours, "message"),
        key=ours["key"],
        headers=tuple((name, content or b"") for name, content in given[len(_OURS) :]),
        value=value,
        kept_at=kept_at,
    )


def _text(headers: Mapping[str, bytes], name: str) -> str:
    return (headers.get(name) or b"").decode(errors="replace")
