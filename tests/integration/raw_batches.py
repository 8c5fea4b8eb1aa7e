"""Record batches put on a topic as they are: what no client of ours would send, and what a disk makes of them."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from aiokafka.errors import for_code
from aiokafka.protocol.produce import ProduceRequest

from iqstream.runtime.kafka import request_client
from tests.record_batches import LENGTH_AT

ALL_REPLICAS = -1


async def produce(settings, topic, batches: Mapping[int, bytes]) -> dict[int, int]:
    """Sends a batch to each partition; by partition the offset at which it stands."""
    async with request_client(settings, topic) as client:
        request = ProduceRequest(None, ALL_REPLICAS, 10_000, [(topic, list(batches.items()))])
        async with asyncio.timeout(30):
            response = await client.send(client.get_random_node(), request)
    [(_topic, answers)] = response.topics
    for _partition, code, *_ in answers:
        if code:
            raise for_code(code)
    return {partition: offset for partition, _code, offset, *_ in answers}


@contextmanager
def damaged_length(state_dir: Path, topic: str, partition: int, value: bytes) -> Iterator[None]:
    """The batch of a value that stands once in the partition's file has no length there, until the context ends."""
    file, data = _log_of(state_dir, topic, partition)
    begin, _ = _batch_around(data, data.index(value))
    _overwrite(file, begin + LENGTH_AT, bytes(4))
    yield
    _overwrite(file, begin + LENGTH_AT, data[begin + LENGTH_AT : begin + LENGTH_AT + 4])


def damage(state_dir: Path, topic: str, partition: int, value: bytes) -> bytes:
    """Flips a bit of a value that stands once in the partition's file; the whole batch as it stands there then."""
    file, data = _log_of(state_dir, topic, partition)
    at = data.index(value)
    _overwrite(file, at, bytes([data[at] ^ 1]))
    begin, end = _batch_around(data, at)
    return file.read_bytes()[begin:end]


def _log_of(state_dir: Path, topic: str, partition: int) -> tuple[Path, bytes]:
    [file] = (state_dir / "kafka" / "data" / f"{topic}-{partition}").glob("*.log")
    return file, file.read_bytes()


def _batch_around(data: bytes, at: int) -> tuple[int, int]:
    begin = 0
    while (end := begin + 12 + int.from_bytes(data[begin + LENGTH_AT : begin + 12])) <= at:
        begin = end
    return begin, end


def _overwrite(file: Path, at: int, data: bytes) -> None:
    with file.open("r+b") as log:
        log.seek(at)
        log.write(data)
