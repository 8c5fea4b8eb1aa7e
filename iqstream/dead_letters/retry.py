"""Trying dead letters again: their samples are replayed whole, and the letters marked with the replay."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from iqstream.catalogue.datasets import Dataset, find_dataset
from iqstream.catalogue.dead_letter_retries import mark_retries
from iqstream.catalogue.dead_letters import Origin
from iqstream.catalogue.postgres import Pool
from iqstream.catalogue.replays import Replay, begin_replay, replayable, require_kept
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.dead_letters.listing import Line
from iqstream.runtime.errors import UserError
from iqstream.runtime.readable import Readable
from schemas import DatasetKey, SampleKey

Result = TypeVar("Result")
"""What a replay says of itself when it is done."""

Run: TypeAlias = Callable[[Dataset, Replay, bool], Awaitable[Result]]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Refused(Readable):
    """Letters that cannot be tried again."""

    letters: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PlannedRetry(Readable):
    """The samples of a dataset that a retry processes again."""

    source: Dataset
    samples: SampleRanges
    origins: Mapping[SampleKey, Sequence[Origin]]
    """Of their letters."""

    @property
    def letters(self) -> int:
        """How many letters they have."""
        return _letters(self.origins, self.origins)


async def plan_retries(pool: Pool, lines: Sequence[Line]) -> tuple[list[PlannedRetry], list[Refused]]:
    """Returns what trying letters again means, dataset by dataset; letters that name none are refused."""
    by_dataset: defaultdict[DatasetKey, dict[SampleKey, list[Origin]]] = defaultdict(dict)
    for line in lines:
        for sample in line.samples:
            by_dataset[sample.dataset].setdefault(sample, []).append(line.origin)
    strangers = sum(not line.samples for line in lines)
    refused = [Refused(letters=strangers, reason="they do not say of which sample they are")] if strangers else []
    planned = []
    for key, meant in sorted(by_dataset.items()):
        samples = meant
        try:
            source = await find_dataset(pool, key.dataset_id, version=key.dataset_version)
            samples = {sample: found for sample, found in meant.items() if sample.sample_idx in source.samples}
            if strange := meant.keys() - samples.keys():
                reason = f"version {source.version} of {source.name!r} does not hold their samples"
                refused.append(Refused(letters=_letters(meant, strange), reason=reason))
            if not samples:
                continue
            require_kept(source)
            indices = await replayable(pool, source, SampleRanges.of(sample.sample_idx for sample in samples))
        except UserError as error:
            refused.append(Refused(letters=_letters(samples, samples), reason=str(error)))
            continue
        planned.append(PlannedRetry(source=source, samples=indices, origins=samples))
    return planned, refused


async def retry_letters(
    pool: Pool,
    lines: Sequence[Line],
    *,
    lanes: Callable[[], Awaitable[int]],
    run: Run[Result],
) -> tuple[list[Result], list[Refused]]:
    """Replays the samples of letters, dataset by dataset; letters that name none are refused.

    Args:
        pool: connections to PostgreSQL.
        lines: the letters.
        lanes: says how many lanes a new replay has.
        run: carries a replay of samples of a dataset out; is told whether it goes on with an interrupted one.

    Raises:
        Failed: a replay could not be finished; run again, it goes on.
        Unreachable: Kafka does not answer.
    """
    planned, refused = await plan_retries(pool, lines)
    retried = []
    for one in planned:
        try:
            replay, resumed = await begin_replay(pool, one.source, one.samples, as_version=None, lanes=await lanes())
        except UserError as error:
            refused.append(Refused(letters=one.letters, reason=str(error)))
            continue
        await mark_retries(pool, replay.generation, one.origins)
        retried.append(await run(one.source, replay, resumed))
    return retried, refused


def _letters(origins: Mapping[SampleKey, Sequence[Origin]], samples: Iterable[SampleKey]) -> int:
    """How many letters some samples have."""
    return len({origin for sample in samples for origin in origins[sample]})
