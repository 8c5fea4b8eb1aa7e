"""Recordings of real receivers made samples of a dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from iqstream.client.calls import Calls, ignore

if TYPE_CHECKING:
    from iqstream.ingest.given import Asked, Ingested


class IngestCalls(Calls):
    """`ingest`."""

    async def ingest(
        self,
        asked: Asked,
        *,
        on_dataset: Callable[[str], None] = ignore,
        on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> Ingested:
        """Makes samples of recordings, in a new dataset or in one of recordings; the running stages do the rest.

        A window that the dataset holds is not taken twice: interrupted, the same call goes on where it stopped.

        Args:
            asked: which files, and what is known of them: `iqstream.ingest.given.Asked`.
            on_dataset: is given the dataset's id before anything of it is published.
            on_progress: is given the samples published and all.

        Returns:
            What was made, and in `failures` what could not be read: the rest went on.

        Raises:
            UserError: the dataset cannot take them, or where a receiver stood is not known.
            Unreachable: a server does not answer.
        """
        from iqstream.ingest.run import ingest  # brings SciPy's signal processing

        async with self._postgres() as pool:
            return await ingest(self.settings, pool, asked, on_dataset=on_dataset, on_progress=on_progress)
