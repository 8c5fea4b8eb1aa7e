"""The list of datasets, read again only after one has moved."""

from __future__ import annotations

from collections.abc import Sequence

from iqstream.catalogue.datasets import Dataset
from iqstream.client.asynchronous import AsyncClient


class Listed:
    """All datasets as they are now."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._latest: tuple[str, Sequence[Dataset]] | None = None

    async def datasets(self) -> Sequence[Dataset]:
        """Returns all datasets in all versions, newest first; the same object while none has moved.

        Raises:
            Unreachable: as `AsyncClient.datasets`.
        """
        mark = await self._client.datasets_mark()  # first: what moves while the list is read is read again
        if self._latest is None or self._latest[0] != mark:
            self._latest = (mark, await self._client.datasets())
        return self._latest[1]
