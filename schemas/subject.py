"""Which sample a record belongs to, by its key and headers alone. Any program may have written them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

_DIGITS_AT_MOST = 18
"""A number of so many fits into 64 bits."""


class Named(Protocol):
    """A record's key and headers, as they came from Kafka."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A field is None where the record does not have it, or has no number there."""

    dataset_id: str
    """Of the key; may be anything."""
    sample_idx: int | None
    dataset_version: int | None
    generation: int | None
    samples: int | None
    """Of a shard: how many."""
    rx_id: str | None


def subject_of(record: Named) -> Subject:
    """Returns the subject, and never raises. If a header is duplicated, the last one counts."""
    dataset_id, _, index = (record.key or b"").decode(errors="replace").rpartition(":")
    named = dict(record.headers)
    return Subject(
        dataset_id=dataset_id,
        sample_idx=_number(index.encode()),
        dataset_version=_number(named.get("dataset_version")),
        generation=_number(named.get("generation")),
        samples=_number(named.get("samples")),
        rx_id=(named.get("rx_id") or b"").decode(errors="replace") or None,
    )


def _number(text: bytes | None) -> int | None:
    digits = (text or b"").decode(errors="replace")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= _DIGITS_AT_MOST else None
