"""Record batches put on a topic as they are: what no client of ours would send, and what a disk makes of them."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from aiokafka.errors import for_code
from aiokafka.protocol.produce import ProduceRequest

from iqstream.runtime.kafka import request_client

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


def damage(state_dir: Path, topic: str, partition: int, value: bytes) -> bytes:
    """Flips a bit of a value that stands once in the partition's file; the whole batch as it stands there then."""
    [file] = (state_dir / "kafka" / "data" / f"{topic}-{partition}").glob("*.log")
    data = file.read_bytes()
    at = data.index(value)
    with file.open("r+b") as log:
        log.seek(at)
        log.write(bytes([data[at] ^ 1]))
    data, begin = file.read_bytes(), 0
    while (end := begin + 12 + int.from_bytes(data[begin + 8 : begin + 12])) <= at:
        begin = end
    return data[begin:end]
