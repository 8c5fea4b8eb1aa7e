"""The IQ of a sample by its lineage: from the frames topic while it is there, else synthesised on this machine."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial

from aiokafka.errors import KafkaError

from iqstream.runtime.errors import Failed
from iqstream.runtime.kafka import admin_client, reader_consumer
from iqstream.runtime.settings import Settings
from sink.frames import FrameReader
from sink.recordings import IQUnavailable, RecordedSample, Recordings, Synthesize, find_recordings


class IQSource:
    """Recordings of one sample after another, or of several at once: Kafka is read in turn, synthesis is not."""

    def __init__(self, reader: FrameReader, partitions: Mapping[str, Collection[int]], synthesize: Synthesize) -> None:
        """`partitions` are those of every topic that is there: what was deleted is not waited for."""
        self._reader = reader
        self._partitions = partitions
        self._synthesize = synthesize
        self._turn = asyncio.Lock()

    async def recordings(self, sample: RecordedSample) -> Recordings:
        """All recordings of a sample, each proved by its CRC-32.

        Raises:
            Failed: one can be had neither from Kafka nor by synthesis, or Kafka refuses or does not answer.
        """
        try:
            return await find_recordings(self, self._synthesize, sample)
        except IQUnavailable as error:
            raise Failed(f"sample {sample.key.sample_idx} of dataset {sample.key.dataset_id}: {error}") from None
        except (KafkaError, TimeoutError) as error:
            raise Failed(f"frames cannot be read from Kafka: {type(error).__name__} {error}") from None

    async def read(self, topic: str, partition: int, offsets: Collection[int]) -> dict[int, bytes]:
        """The frames at those offsets that are still there; see `FrameReader.read`."""
        if partition not in self._partitions.get(topic, ()):
            return {}
        async with self._turn:
            return await self._reader.read(topic, partition, offsets)


@asynccontextmanager
async def open_iq_source(settings: Settings) -> AsyncIterator[IQSource]:
    """The IQ of samples, for as long as the context lasts.

    Raises:
        Unreachable: no broker answers.
    """
    from producer.synthesize import synthesize_sample  # brings the compiled kernels, which no other reader needs
    from producer.tile_directory import tiles_in

    async with admin_client(settings) as admin:
        described = await admin.describe_topics(await admin.list_topics())
    partitions = {topic["topic"]: {found["partition"] for found in topic["partitions"]} for topic in described}
    synthesize = partial(synthesize_sample, tiles=tiles_in(settings.terrain_dir))
    async with FrameReader(lambda: reader_consumer(settings)) as reader:
        yield IQSource(reader, partitions, synthesize)
