"""Dead letters as tables for people and as documents for programs."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich.table import Table

from iqstream.catalogue.dead_letter_retries import Retry
from iqstream.cli.console import NOTHING_CHANGED, Console
from iqstream.cli.tables import print_whole
from iqstream.dead_letters.letter import DeadLetter
from iqstream.dead_letters.listing import Line, Listing, line_of
from iqstream.dead_letters.purge import Removal
from iqstream.runtime.readable import Rows
from schemas import SampleKey

HEXDUMP_BYTES = 256
_BYTES_PER_LINE = 16


def print_listing(console: Console, listing: Listing, limit: int) -> None:
    """Counts by kind, then the newest letters."""
    if not listing.lines:
        console.print("There are no such dead letters.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "topic", "error"):
        table.add_column(column)
    for column in ("letters", "retried"):
        table.add_column(column, justify="right")
    for column in ("first", "last"):
        table.add_column(column)
    for kind, letters in listing.counts.items():
        of_kind = [line for line in listing.lines if line.kind == kind]
        times = sorted(line.kept_at for line in of_kind)
        retried = sum(bool(line.retries) for line in of_kind)
        table.add_row(*kind, str(letters), str(retried), _time(times[0]), _time(times[-1]))
    print_whole(console, table)
    console.print()
    print_whole(console, _letters_table(listing.lines[-limit:][::-1], listing.places_of_several()))
    if len(listing.lines) > limit:
        console.print(f"and {len(listing.lines) - limit} older ones: --limit shows more")


def _letters_table(lines: Sequence[Line], of_several: Collection[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("kept at", "origin", "stage", "error", "sample", "retried"):
        table.add_column(column, no_wrap=True)
    for line in lines:
        table.add_row(
            _time(line.kept_at),
            line.origin.full if str(line.origin) in of_several else str(line.origin),
            line.stage,
            line.error,
            _samples(line.samples),
            _retried(line.retries),
        )
    return table


def _samples(samples: Sequence[SampleKey]) -> str:
    if not samples:
        return "unknown"
    first, last = samples[0], samples[-1]
    indices = str(first.sample_idx) if first == last else f"{first.sample_idx}-{last.sample_idx}"
    return f"{first.dataset_id} {indices}"


def _retried(retries: Sequence[Retry]) -> str:
    if not retries:
        return ""
    latest = retries[-1]
    return f"generation {latest.generation}: {latest.outcome or 'under way'}"


def letter_lines(letter: DeadLetter, retries: Sequence[Retry]) -> list[str]:
    """Everything about one letter, a line each."""
    lines = [
        f"origin   {letter.origin}",
        f"topic    {letter.origin.topic_id}",
        f"kept at  {_time(letter.kept_at)} by the {letter.stage}",
        f"error    {letter.error}: {letter.message}",
        f"sample   {_samples(letter.samples())}",
        f"key      {letter.key.decode(errors='backslashreplace')}",
    ]
    lines += [f"header   {name} = {_text(value) or ''}" for name, value in letter.headers]
    lines += [f"retried  {_time(retry.retried_at)} as {_retried([retry])}" for retry in retries]
    lines.append(f"value    {len(letter.value)} bytes")
    return lines + (_decoded(letter) or hexdump(letter.value))


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="backslashreplace")


def _decoded(letter: DeadLetter) -> list[str] | None:
    """The fields of a value that is a message of ours; None where it is none."""
    found = letter.fields()
    if found is None:
        return None
    name, fields = found
    text = msgspec.json.format(msgspec.json.encode(fields), indent=2).decode()
    return [f"  {name}", *(f"  {line}" for line in text.split("\n"))]


def hexdump(value: bytes) -> list[str]:
    """The first bytes, sixteen a line, as `hexdump -C` has them."""
    lines = []
    for start in range(0, min(len(value), HEXDUMP_BYTES), _BYTES_PER_LINE):
        part = value[start : min(start + _BYTES_PER_LINE, HEXDUMP_BYTES)]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        lines.append(f"  {start:08x}  {part.hex(' '):<47}  |{text}|")
    if len(value) > HEXDUMP_BYTES:
        lines.append(f"  and {len(value) - HEXDUMP_BYTES} more bytes: --raw FILE writes all")
    return lines


def listing_document(listing: Listing) -> dict[str, Any]:
    """A listing as JSON values, all letters in it, oldest first."""
    return {
        "counts": [
            {"stage": stage, "topic": topic, "error": error, "letters": letters}
            for (stage, topic, error), letters in listing.counts.items()
        ],
        "letters": [
            {
                "origin": str(line.origin),
                "topic_id": str(line.origin.topic_id),
                "stage": line.stage,
                "error": line.error,
                "message": line.message,
                "bytes": line.size,
                "kept_at": line.kept_at.isoformat(),
                "samples": [_sample_document(sample) for sample in line.samples],
                "retries": [_retry_document(retry) for retry in line.retries],
            }
            for line in listing.lines
        ],
    }


def letter_document(letter: DeadLetter, retries: Sequence[Retry]) -> dict[str, Any]:
    """One letter as JSON values; its bytes as hexadecimal digits."""
    document: dict[str, Any] = listing_document(Listing(lines=Rows([line_of(letter, retries)])))["letters"][0]
    return document | {
        "key": letter.key.decode(errors="backslashreplace"),
        "headers": [[name, _text(value)] for name, value in letter.headers],
        "value_hex": letter.value.hex(),
    }


def _sample_document(sample: SampleKey) -> dict[str, Any]:
    return dict(sample._asdict())


def _retry_document(retry: Retry) -> dict[str, Any]:
    return {
        **_sample_document(retry.sample),
        "generation": retry.generation,
        "retried_at": retry.retried_at.isoformat(),
        "outcome": retry.outcome,
    }


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def removal_document(removal: Removal, *, executed: bool) -> dict[str, object]:
    """A removal as JSON values."""
    kinds = Counter(line.kind for line in removal.lines)
    mine = {line.origin for line in removal.lines}
    return {
        "executed": executed,
        "letters": len(removal.lines),
        "bytes": sum(line.size for line in removal.lines),
        **removal.states,
        "counts": [
            {"stage": stage, "topic": topic, "error": error, "letters": letters}
            for (stage, topic, error), letters in kinds.most_common()
        ],
        "left_in_kafka": len(removal.hidden & mine),
    }


def removal_lines(removal: Removal, *, executed: bool) -> list[str]:
    """The same for people, a line each."""
    document = removal_document(removal, executed=executed)
    states = removal.states
    did = f"{'Removed' if executed else 'Would remove'} {document['letters']} dead letters, {document['bytes']} bytes"
    became = (
        f"{states['decided']} whose samples were decided by a retry, {states['under_way']} whose retry is under way, "
        f"{states['never_retried']} never retried"
    )
    lines = [f"{did}: {became}"]
    lines += [
        f"  {letters} of the {stage}, from {topic}: {error}"
        for (stage, topic, error), letters in Counter(line.kind for line in removal.lines).most_common()
    ]
    if states["never_retried"]:
        lines.append("There is no other copy of the letters that were never retried; their samples stay failed.")
    if document["left_in_kafka"]:
        lines.append(
            f"{document['left_in_kafka']} remain in Kafka behind letters that are kept: they are no longer listed, "
            "and are deleted with those before them, or by the topic's retention."
        )
    if not executed:
        lines.append(NOTHING_CHANGED)
    return lines
