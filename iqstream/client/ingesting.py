"""What real receivers recorded, or send now, made samples of a dataset."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from iqstream.catalogue.datasets import find_dataset
from iqstream.client.calls import Calls, ignore
from iqstream.shards import SUBMITTED_VERSION
from iqstream.submit.continuous import end_growth

if TYPE_CHECKING:
    from iqstream.ingest.given import Asked, Ingested
    from iqstream.ingest.live.given import AskedLive, Listened


class IngestCalls(Calls):
    """`ingest` and `listen`."""

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
            UserError: the dataset cannot take them.
            Unreachable: a server does not answer.
        """
        from iqstream.ingest.run import ingest  # brings SciPy's signal processing

        async with self._postgres() as pool:
            return await ingest(self.settings, pool, asked, on_dataset=on_dataset, on_progress=on_progress)

    async def listen(
        self,
        asked: AskedLive,
        *,
        stop: asyncio.Event,
        on_dataset: Callable[[str], None] = ignore,
        on_tick: Callable[[Listened], None] = ignore,
        on_event: Callable[[str], None] = ignore,
        port: int | None = None,
        on_served: Callable[[str], None] = ignore,
    ) -> Listened:
        """Makes samples of what receivers send until `stop` is set or somebody ends the dataset; then ends it.

        Interrupted in any other way the dataset still grows, and the same call goes on with it.

        Args:
            asked: which receivers, and how they are set: `iqstream.ingest.live.given.AskedLive`.
            stop: ends the dataset at what came.
            on_dataset: is given the dataset's id before anything of it is published.
            on_tick: is given how it stands, once a second.
            on_event: is told in a sentence what goes wrong, and is waited for.
            port: serves how it stands to Prometheus there, on the settings' metrics host; 0 takes any free one.
            on_served: is told the address.

        Returns:
            What came of each receiver, with its gaps, and in `problems` what went wrong for good.

        Raises:
            UserError: the dataset cannot take it, or the port is taken or may not be used.
            Unreachable: a server or a receiver is away at the beginning, or a server at the end.
            Failed: something else answers for a receiver, or another one listens into the dataset since.
        """
        from iqstream.ingest.live.figures import LastStanding
        from iqstream.ingest.live.listen import listen  # brings SciPy's signal processing
        from iqstream.runtime.metrics import serve_figures

        last = LastStanding()

        def tick(now: Listened) -> None:
            last.put(now)
            on_tick(now)

        async with AsyncExitStack() as stack:
            if port is not None:
                host = self.settings.metrics_host
                on_served(f"http://{host}:{stack.enter_context(serve_figures(last, host, port))}/metrics")
            pool = await stack.enter_async_context(self._postgres())
            done = await listen(
                self.settings, pool, asked, stop=stop, on_dataset=on_dataset, on_tick=tick, on_event=on_event
            )
            found = await find_dataset(pool, done.dataset_id, version=SUBMITTED_VERSION)
            if found.is_growing:
                await end_growth(self.settings, pool, found.spec)
            return done
