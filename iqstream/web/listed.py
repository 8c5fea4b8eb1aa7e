"""The list of datasets, read again only after one has moved, and how fast those under way are decided."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from iqstream.catalogue.datasets import OPEN, Dataset
from iqstream.client.asynchronous import AsyncClient
from iqstream.watch.speed import Speed, SpeedMeter

MEASURED_EVERY_S = 1.0


class Listed:
    """All datasets as they are now."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._latest: tuple[str, Sequence[Dataset]] | None = None
        self._meters: dict[tuple[str, int], SpeedMeter] = {}
        self._measured_s = -math.inf

    async def datasets(self) -> Sequence[Dataset]:
        """Returns all datasets in all versions, newest first; the same object while none has moved.

        Raises:
            Unreachable: as `AsyncClient.datasets`.
        """
        mark = await self._client.datasets_mark()  # first: what moves while the list is read is read again
        if self._latest is None or self._latest[0] != mark:
            self._latest = (mark, await self._client.datasets())
        self._measure(self._latest[1])
        return self._latest[1]

    def _measure(self, datasets: Sequence[Dataset]) -> None:
        now_s = time.monotonic()
        if now_s - self._measured_s < MEASURED_EVERY_S:
            return
        self._measured_s = now_s
        under_way = {(one.id, one.version): one for one in datasets if one.status in OPEN}
        self._meters = {key: self._meters.get(key) or SpeedMeter() for key in under_way}
        for key, one in under_way.items():
            self._meters[key].add(now_s, one.decided)

    def speed(self, dataset: Dataset) -> Speed | None:
        """Returns how fast a dataset of the list is decided; None where it is not under way."""
        meter = self._meters.get((dataset.id, dataset.version))
        return None if meter is None or dataset.status not in OPEN else meter.speed()
