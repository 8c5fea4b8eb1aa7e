"""What is counted over all samples of a dataset: kept, because it takes seconds where there are a million."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass

from iqstream.catalogue.datasets import Dataset
from iqstream.client.asynchronous import AsyncClient
from iqstream.client.results import DatasetReport

log = logging.getLogger(__name__)
KEPT = 100
CHEAP_S = 0.25
"""A report that took less is made anew whenever its dataset has changed."""
SPARING = 20
"""A longer one is made anew after so many times its own time, and the old one is shown meanwhile."""
OLD_AFTER_S = 60.0
"""A replay may change what is counted and leave the dataset's own counts as they are."""


@dataclass(slots=True)
class _Kept:
    report: DatasetReport
    made_at_s: float
    took_s: float

    def is_fresh(self, dataset: Dataset) -> bool:
        age_s = time.monotonic() - self.made_at_s
        if self.took_s < CHEAP_S:
            return False
        return age_s < SPARING * self.took_s or (self.report.dataset == dataset and age_s < OLD_AFTER_S)


class Reports:
    """The latest report of each dataset; one of a dataset is made at a time, however many ask."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._kept: OrderedDict[tuple[str, int], _Kept] = OrderedDict()
        self._making: dict[tuple[str, int], asyncio.Task[DatasetReport]] = {}

    async def of(self, dataset: Dataset) -> DatasetReport:
        """Returns a dataset's report, perhaps an older one.

        Raises:
            UserError, Unreachable: as `AsyncClient.dataset`.
        """
        key = (dataset.id, dataset.version)
        kept = self._kept.get(key)
        if kept is not None and kept.is_fresh(dataset):
            return kept.report
        making = self._made(key)
        if kept is not None and kept.took_s >= CHEAP_S:
            return kept.report
        return await asyncio.shield(making)

    async def within(self, dataset: Dataset, seconds: float) -> DatasetReport | None:
        """Returns a dataset's report; None where it is not made so soon: it is made on, for whoever asks next."""
        try:
            async with asyncio.timeout(seconds):
                return await self.of(dataset)
        except TimeoutError:
            return None

    def _made(self, key: tuple[str, int]) -> asyncio.Task[DatasetReport]:
        if key not in self._making:
            self._making[key] = asyncio.create_task(self._make(key))
            self._making[key].add_done_callback(lambda task: self._forget(key, task))
        return self._making[key]

    async def _make(self, key: tuple[str, int]) -> DatasetReport:
        began_s = time.monotonic()
        report = await self._client.dataset(key[0], version=key[1])
        now_s = time.monotonic()
        self._kept[key] = _Kept(report, now_s, now_s - began_s)
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return report

    def _forget(self, key: tuple[str, int], task: asyncio.Task[DatasetReport]) -> None:
        del self._making[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.info("a dataset could not be counted: %s", error)  # whoever waits is told

    async def close(self) -> None:
        """Ends what is being counted."""
        making = list(self._making.values())
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)
