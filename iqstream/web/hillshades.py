"""Pictures of the ground of datasets, kept: a dataset's ground never changes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from iqstream.client.asynchronous import AsyncClient
from iqstream.plot.hillshade import hillshade_png

KEPT = 20


class Hillshades:
    """The latest; one is made at a time."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._one = asyncio.Lock()

    async def of(self, dataset: str) -> bytes:
        """Returns a dataset's picture, a PNG.

        Raises:
            UserError, Unreachable: as `AsyncClient.relief`.
        """
        identity = (await self._client.versions(dataset)).dataset.id
        async with self._one:
            if identity not in self._kept:
                found = await self._client.relief(identity)
                self._kept[identity] = await asyncio.to_thread(hillshade_png, found.heights_m, found.cell_m)
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(identity)
            return self._kept[identity]
