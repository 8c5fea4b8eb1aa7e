"""Dead letters: what there is, trying it again, and removing it."""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.dead_letter_retries import retries_by_origin
from iqstream.catalogue.postgres import Pool
from iqstream.catalogue.replays import Replay
from iqstream.client.calls import Calls, ignore
from iqstream.client.results import DeadLetterReport, LetterRetryPlan, RetriedLetters
from iqstream.dead_letters.letter import DeadLetterFilter, named_origins, parse_origin
from iqstream.dead_letters.listing import Line, Listing, list_letters
from iqstream.dead_letters.purge import Removal, plan_removal, remove_letters, state_of
from iqstream.dead_letters.read import find_letter
from iqstream.dead_letters.retry import plan_retries, retry_letters
from iqstream.replay.results import ReplayBegun, Replayed, ReplayProgress
from iqstream.runtime.readable import Rows

EVERY_LETTER = DeadLetterFilter()


class DeadLetterCalls(Calls):
    """`dead_letters`, `dead_letter`; `retry_dead_letters`, `purge_dead_letters`, and plans of both.

    An origin is `"topic:partition:offset"`, as `str` of a letter's `origin` is.
    """

    async def dead_letters(self, wanted: DeadLetterFilter = EVERY_LETTER) -> Listing:
        """Returns the dead letters that are meant, without their bytes.

        Args:
            wanted: `iqstream.DeadLetterFilter(stage=..., error=...)`; if not given, all.

        Raises:
            Unreachable: a server does not answer.
            Failed: Kafka refuses the read.
        """
        async with self._postgres() as pool:
            return await list_letters(self.settings, pool, wanted)

    async def dead_letter(self, origin: str) -> DeadLetterReport:
        """Returns a dead letter with its bytes, and what was retried of it.

        Raises:
            UserError: it is no origin, there is no such letter, or several that the topic's id tells apart.
            Unreachable: a server does not answer.
        """
        name = parse_origin(origin)
        async with self._postgres() as pool:
            found = await find_letter(self.settings, pool, name)
            retries = (await retries_by_origin(pool)).get(found.origin, [])
        return DeadLetterReport(letter=found, retries=Rows(retries))

    async def plan_dead_letter_retry(
        self, wanted: DeadLetterFilter = EVERY_LETTER, *, origins: Sequence[str] | None = None
    ) -> LetterRetryPlan:
        """Returns which samples a retry would process again, and the letters that cannot be retried; does nothing.

        Args:
            wanted: which letters.
            origins: of these, the ones of these origins; if not given, all that were not retried yet.

        Raises:
            UserError: an origin has no letter.
            Unreachable: a server does not answer.
        """
        async with self._postgres() as pool:
            planned, refused = await plan_retries(pool, await self._to_retry(pool, wanted, origins))
        return LetterRetryPlan(retries=Rows(planned), refused=Rows(refused))

    async def _to_retry(self, pool: Pool, wanted: DeadLetterFilter, origins: Sequence[str] | None) -> list[Line]:
        names = None if origins is None else [parse_origin(origin) for origin in origins]
        listing = await list_letters(self.settings, pool, wanted)
        meant = named_origins(names or (), (line.origin for line in listing.lines))
        return [line for line in listing.lines if (not line.retries if names is None else line.origin in meant)]

    async def retry_dead_letters(
        self,
        wanted: DeadLetterFilter = EVERY_LETTER,
        *,
        origins: Sequence[str] | None = None,
        workers: int | None = None,
        on_begin: Callable[[ReplayBegun], None] = ignore,
        on_progress: Callable[[ReplayProgress], None] = ignore,
    ) -> RetriedLetters:
        """Processes the samples of dead letters again; returns the replays, and the letters that cannot be retried.

        The work is done by processes of its own: a script calls this under `if __name__ == "__main__"`.

        Args:
            wanted: which letters.
            origins: of these, the ones of these origins; if not given, all that were not retried yet.
            workers: processes; if not given, the number of cores.
            on_begin: is given each replay that begins.
            on_progress: is given how far it is, twice a second.

        Raises:
            UserError: an origin has no letter.
            Failed: a replay could not be finished; called again, it goes on.
            Unreachable: a server does not answer.
        """
        from iqstream.replay.job import feature_partitions
        from iqstream.replay.run import run_begun  # brings the kernels of two stages

        async with self._postgres() as pool:
            lines = await self._to_retry(pool, wanted, origins)

            async def run(source: Dataset, replay: Replay, resumed: bool) -> Replayed:  # noqa: FBT001  # retry_letters' own
                begun = ReplayBegun(source=source, replay=replay, resumed=resumed)
                on_begin(begun)
                count = workers or os.cpu_count() or 1
                return await run_begun(self.settings, pool, begun, workers=count, on_progress=on_progress)

            lanes = partial(feature_partitions, self.settings)
            retried, refused = await retry_letters(pool, lines, lanes=lanes, run=run)
        return RetriedLetters(replays=Rows(retried), refused=Rows(refused))

    async def plan_dead_letter_purge(
        self,
        wanted: DeadLetterFilter = EVERY_LETTER,
        *,
        origins: Sequence[str] | None = None,
        retried: bool = False,
    ) -> Removal:
        """Returns what removing dead letters means, and removes none.

        Args:
            wanted: which letters.
            origins: of these, the ones of these origins; if not given, all.
            retried: only those whose samples were decided by a retry.

        Raises:
            UserError: an origin has no letter.
            Failed: Kafka refuses the read.
            Unreachable: a server does not answer.
        """
        async with self._postgres() as pool:
            return await self._removal(pool, wanted, origins, retried=retried)

    async def purge_dead_letters(
        self,
        wanted: DeadLetterFilter = EVERY_LETTER,
        *,
        origins: Sequence[str] | None = None,
        retried: bool = False,
    ) -> Removal:
        """Removes dead letters for good; returns what that meant. The arguments are `plan_dead_letter_purge`'s.

        Raises:
            UserError: an origin has no letter.
            Failed: Kafka refuses; the letters are not listed any more.
            Unreachable: a server does not answer.
        """
        async with self._postgres() as pool:
            removal = await self._removal(pool, wanted, origins, retried=retried)
            if removal.lines:
                await remove_letters(self.settings, pool, removal)
            return removal

    async def _removal(
        self, pool: Pool, wanted: DeadLetterFilter, origins: Sequence[str] | None, *, retried: bool
    ) -> Removal:
        names = None if origins is None else [parse_origin(origin) for origin in origins]
        listing = await list_letters(self.settings, pool, wanted)
        meant = named_origins(names or (), (line.origin for line in listing.lines))

        def goes(line: Line) -> bool:
            return (names is None or line.origin in meant) and (not retried or state_of(line) == "decided")

        lines = [line for line in listing.lines if goes(line)]
        return await plan_removal(self.settings, pool, lines, datetime.now(UTC))
