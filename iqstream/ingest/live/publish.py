"""Samples that wait, published as a dataset that grows: each once, however often Kafka goes away meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from aiokafka.errors import ProducerFenced

from iqstream.ingest.live.waiting import Waiting
from iqstream.ingest.publish import TRANSACTION_BYTES, TRANSACTION_SAMPLES, Lane, Publisher
from iqstream.ingest.samples import identified
from iqstream.recordings.alignment import AlignedWindows
from iqstream.runtime.errors import Failed, Unreachable
from iqstream.runtime.outages import ServersAway
from iqstream.runtime.records import OutgoingRecord
from schemas import RecordedSpec

AWAY: tuple[type[Exception], ...] = (Unreachable, *ServersAway)
AGAIN_AFTER_S = 1.0


class LivePublisher:
    """Gives samples their index when they are published: the position in Kafka alone says how many there are."""

    def __init__(
        self, publisher: Publisher, spec: RecordedSpec, waiting: Waiting, on_event: Callable[[str], None]
    ) -> None:
        self._publisher = publisher
        self._spec = spec
        self._waiting = waiting
        self._on_event = on_event
        self._batch: list[AlignedWindows] = []
        """Taken, and not known to be published."""
        self.position = 0
        """Samples of the dataset that are published."""
        self.published = 0
        """Of these, by this publisher."""

    @property
    def pending(self) -> int:
        """Samples that are to be published."""
        return len(self._batch) + len(self._waiting)

    async def run(self, known_samples: int, decided: int) -> None:
        """Publishes until the end of what waits.

        Args:
            known_samples: certain to be published, should the broker have forgotten.
            decided: samples of the dataset whose outcome is known.

        Raises:
            Failed: another one publishes to the dataset since, or it is not known how much of it is published.
        """
        self.position = known_samples
        problem = ""
        while True:
            try:
                async with self._publisher.lane() as lane:
                    if lane.position == 0 and self.position == 0 and decided:
                        raise Failed(
                            f"the broker has forgotten how much of {self._spec.name!r} was published (its "
                            "`offsets.retention.minutes` have passed): "
                            f"`iqstream datasets end {self._spec.dataset_id}` ends it at the samples decided so far"
                        )
                    self._go_on_from(max(lane.position, self.position))
                    problem = ""
                    await self._publish(lane)
            except ProducerFenced:
                raise Failed(
                    f"this one no longer publishes to {self._spec.name!r}: another `iqstream listen` or `datasets end` "
                    f"has taken it over. `iqstream datasets show {self._spec.dataset_id}`"
                ) from None
            except AWAY as error:
                if (said := f"Kafka is waited for: {type(error).__name__}: {error}") != problem:
                    self._on_event(said)
                problem = said
                await asyncio.sleep(AGAIN_AFTER_S)
            else:
                return

    def _go_on_from(self, position: int) -> None:
        """Whether the last transaction stood is seen by the position: nobody else moves it."""
        if self._batch and position >= self.position + len(self._batch):
            self.published += len(self._batch)
            self._batch = []
        self.position = position

    async def _publish(self, lane: Lane) -> None:
        while True:
            if not self._batch:
                self._batch = await self._waiting.take(TRANSACTION_SAMPLES, TRANSACTION_BYTES)
            if not self._batch:
                return
            await lane.wait_for_readers()
            until = self.position + len(self._batch)
            records = await asyncio.to_thread(self._records, self._batch, self.position)
            await lane.publish(records, self.position, until)
            self._go_on_from(until)

    def _records(self, batch: Sequence[AlignedWindows], first_idx: int) -> list[OutgoingRecord]:
        return [
            record
            for index, aligned in enumerate(batch, first_idx)
            for record in self._publisher.sample_records(index, identified(aligned))
        ]
