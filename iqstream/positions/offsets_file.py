"""Offsets as a file, in the form that kafka-consumer-groups reads and writes: topic,partition,offset."""

import csv
from collections.abc import Mapping
from pathlib import Path

from aiokafka import TopicPartition

from iqstream.runtime.errors import UserError
from iqstream.runtime.typed_numbers import read_whole

_WITHOUT_GROUP = 3
_WITH_GROUP = 4


def read_offsets(path: Path, *, group: str, topic: str) -> dict[TopicPartition, int]:
    """The offsets of a file; lines may begin with a group, which must be `group`.

    Raises:
        UserError: the file cannot be read, or a line is not of the form or not of this stage; names the line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    offsets: dict[TopicPartition, int] = {}
    for number, fields in enumerate(lines, 1):
        if not fields:
            continue
        partition, offset = _line(f"{path}, line {number}", [f.strip() for f in fields], group=group, topic=topic)
        if partition in offsets:
            raise UserError(f"{path}, line {number}: partition {partition.partition} is listed twice")
        offsets[partition] = offset
    if not offsets:
        raise UserError(f"{path} holds no offsets")
    return offsets


def _line(where: str, fields: list[str], *, group: str, topic: str) -> tuple[TopicPartition, int]:
    if len(fields) == _WITH_GROUP:
        if fields[0] != group:
            raise UserError(f"{where}: group {fields[0]}, this stage's is {group}")
        fields = fields[1:]
    if len(fields) != _WITHOUT_GROUP:
        raise UserError(f"{where}: not topic,partition,offset")
    if fields[0] != topic:
        raise UserError(f"{where}: topic {fields[0]}, this stage reads {topic}")
    try:
        partition, offset = map(read_whole, fields[1:])
    except ValueError as error:
        raise UserError(f"{where}: not topic,partition,offset: {error}") from None
    if min(partition, offset) < 0:
        raise UserError(f"{where}: not topic,partition,offset: neither is below 0")
    return TopicPartition(topic, partition), offset


def write_offsets(path: Path, offsets: Mapping[TopicPartition, int]) -> None:
    """Writes a new file.

    Raises:
        UserError: it exists (it may hold the way back from an earlier move), or cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(
                (partition.topic, partition.partition, offset) for partition, offset in sorted(offsets.items())
            )
    except FileExistsError:
        raise UserError(f"{path} exists already and may be the way back from an earlier move") from None
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None
