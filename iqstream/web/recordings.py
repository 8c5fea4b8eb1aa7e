"""Recordings of samples for pictures: a few are kept, and one is fetched at a time, so their cost is bounded."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from iqstream.client.asynchronous import AsyncClient
from iqstream.dataset.sample_iq import SampleIQ

KEPT = 4


class Recordings:
    """The samples looked at last."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._kept: OrderedDict[tuple[str, int, int], SampleIQ] = OrderedDict()
        self._one = asyncio.Lock()

    async def of(self, dataset_id: str, version: int | None, sample_idx: int) -> SampleIQ:
        """Returns a sample's recordings.

        Raises:
            UserError, Failed, Unreachable: as `AsyncClient.iq`.
        """
        async with self._one:
            kept = None if version is None else self._kept.get((dataset_id, version, sample_idx))
            found = kept or await self._client.iq(dataset_id, sample_idx, version=version)
            key = (found.dataset.id, found.dataset.version, sample_idx)
            self._kept[key] = found
            self._kept.move_to_end(key)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return found
