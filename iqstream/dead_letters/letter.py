"""A dead letter: the bytes of a record that could not be processed, where it stood, and whose it was. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from iqstream.catalogue.dead_letters import NOT_SAID, Origin
from iqstream.runtime.errors import Conflict, NotFound, UserError
from iqstream.runtime.readable import Readable
from iqstream.runtime.records import FAILED_SAMPLES
from iqstream.runtime.stages import STAGES
from schemas import IQFrame, SampleKey, SchemaError, decode, failure_of_frame, failures_of_shard, subject_of
from sink.join import sample_of

_ORIGIN = re.compile(
    r"([A-Za-z0-9._-]{1,249}):([0-9]{1,10}):([0-9]{1,19})(?:@([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))?"
)
_MOST_PARTITION, _MOST_OFFSET = 2**31 - 1, 2**63 - 1
"""Kafka's own limits, and PostgreSQL's."""
_DIGITS = re.compile(r"[0-9]{1,10}")
_OURS = ("origin", "stage", "error", "message", "key")
"""The headers that were put before the record's own, behind `topic_id`."""


class OriginName(NamedTuple):
    """An origin as somebody names it: without the topic's id, where that is not needed to tell letters apart."""

    topic: str
    partition: int
    offset: int
    topic_id: UUID | None

    def __str__(self) -> str:
        plain = f"{self.topic}:{self.partition}:{self.offset}"
        return plain if self.topic_id is None else f"{plain}@{self.topic_id}"

    def means(self, origin: Origin) -> bool:
        """Whether an origin is the one, or one of those, that are named."""
        return self[:3] == origin[:3] and self.topic_id in {None, origin.topic_id}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DeadLetter(Readable):
    """One record that could not be processed."""

    origin: Origin
    stage: str
    error: str
    """The error's class."""
    message: str
    key: bytes
    headers: tuple[tuple[str, bytes | None], ...]
    """The record's own."""
    failed_samples: frozenset[int] | None = None
    """Of a record of several samples, those that failed; None where all did."""
    value: bytes
    kept_at: datetime

    def fields(self) -> tuple[str, Any] | None:
        """The name of the message that the value is, and its fields as JSON values, IQ as its size; None: none."""
        try:
            message = decode(self.value)
        except SchemaError:
            return None
        plain = msgspec.to_builtins(message, builtin_types=(memoryview,))
        if isinstance(message, IQFrame):
            plain["iq"] = f"{len(message.iq)} bytes"
        return type(message).__name__, plain

    def samples(self) -> tuple[SampleKey, ...]:
        """The samples that failed with the record, as its key and headers say; none where it was a stranger's."""
        record = _Received(
            topic=self.origin.topic,
            partition=self.origin.partition,
            offset=self.origin.offset,
            key=self.key,
            headers=self.headers,
        )
        if subject_of(record).dataset_version is None:
            return ()
        if self.stage in STAGES and STAGES[self.stage].reads == "shards":
            failures = failures_of_shard(record, stage=self.stage, error=ValueError())
        else:
            failure = failure_of_frame(record, stage=self.stage, error=ValueError())
            failures = [] if failure is None else [failure]
        samples = tuple(sample_of(failure) for failure in failures)
        if self.failed_samples is None:
            return samples
        return tuple(sample for sample in samples if sample.sample_idx in self.failed_samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """Which dead letters are meant; None: any.

    Raises:
        UserError: a time without zone.
    """

    stage: str | None = None
    topic: str | None = None
    error: str | None = None
    """The error's class."""
    since: datetime | None = None
    """Kept at this time or later."""
    until: datetime | None = None
    """Kept before this time."""

    def __post_init__(self) -> None:
        for at in (self.since, self.until):
            if at is not None and at.tzinfo is None:
                raise UserError(f"{at} has no time zone; give one, as in datetime(2026, 1, 1, tzinfo=UTC)")

    def takes(self, letter: DeadLetter) -> bool:
        """Whether a letter is meant."""
        return (
            self.stage in {None, letter.stage}
            and self.topic in {None, letter.origin.topic}
            and self.error in {None, letter.error}
            and (self.since is None or letter.kept_at >= self.since)
            and (self.until is None or letter.kept_at < self.until)
        )


@dataclass(slots=True, kw_only=True)
class _Received:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def parse_origin(text: str) -> OriginName:
    """`topic:partition:offset`, or that with `@` and the topic's id.

    Raises:
        UserError: anything else.
    """
    name = _origin_name(text)
    if name is None:
        raise UserError(
            f"{text!r} is not the origin of a dead letter: write topic:partition:offset, as `list` shows it"
        )
    return name


def _origin_name(text: str) -> OriginName | None:
    """None where this names no place that a record can stand at."""
    match = _ORIGIN.fullmatch(text)
    if match is None or int(match[2]) > _MOST_PARTITION or int(match[3]) > _MOST_OFFSET:
        return None
    return OriginName(match[1], int(match[2]), int(match[3]), None if match[4] is None else UUID(match[4]))


def named_origins(names: Iterable[OriginName], known: Iterable[Origin]) -> set[Origin]:
    """The one origin that each name means, out of those of all letters.

    Raises:
        UserError: a name means none, or several.
    """
    every, found = list(known), set()
    for name in names:
        meant = sorted({origin for origin in every if name.means(origin)})
        if not meant:
            raise NotFound(f"there is no dead letter of {name}: `iqstream dead-letters list` shows what there is")
        if len(meant) > 1:
            raise Conflict(
                f"{len(meant)} dead letters are of {name}, since the topic was recreated: name one of "
                + ", ".join(origin.full for origin in meant)
            )
        found.add(meant[0])
    return found


def read_letter(value: bytes, headers: Iterable[tuple[str, bytes | None]], kept_at: datetime) -> DeadLetter | None:
    """A record of the dead letters' topic; None for one that is not one of ours."""
    given = list(headers)
    topic_id = NOT_SAID
    if given and given[0][0] == "topic_id":
        with suppress(ValueError):
            topic_id = UUID(_text(dict(given[:1]), "topic_id"))
        del given[0]
    ours = dict(given[: len(_OURS)])
    name = _origin_name(_text(ours, "origin"))
    if tuple(ours) != _OURS or name is None:
        return None
    own, failed_samples = given[len(_OURS) :], None
    if own and own[0][0] == FAILED_SAMPLES:
        failed_samples = frozenset(int(index) for index in _DIGITS.findall(_text(dict(own[:1]), FAILED_SAMPLES)))
        del own[0]
    return DeadLetter(
        origin=Origin(name.topic, name.partition, name.offset, topic_id),
        stage=_text(ours, "stage"),
        error=_text(ours, "error"),
        message=_text(ours, "message"),
        key=ours["key"] or b"",
        headers=tuple(own),
        failed_samples=failed_samples,
        value=value,
        kept_at=kept_at,
    )


def _text(headers: Mapping[str, bytes | None], name: str) -> str:
    return (headers.get(name) or b"").decode(errors="replace")
