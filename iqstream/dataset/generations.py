"""Which replay generation of a sample counts in a bounded read: the highest that came out whole."""

from collections import defaultdict
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass, field

from iqstream.catalogue.offsets import stored_offsets
from iqstream.catalogue.outcomes import any_replayed
from iqstream.catalogue.postgres import Pool
from iqstream.dataset.recording import UNREADABLE, Failure, TimeDifferences, read_message
from iqstream.runtime.topics import SINK_GROUP
from schemas import SampleKey
from schemas.dataset import MAX_RECEIVERS


@dataclass(slots=True)
class _Replay:
    heard: set[bytes] = field(default_factory=set)
    expected: int = MAX_RECEIVERS
    failed: bool = False
    pairs_expected: bool = False
    compared: bool = False
    """Its time differences are there."""

    @property
    def whole(self) -> bool:
        return not self.failed and len(self.heard) >= self.expected and self.compared >= self.pairs_expected


class Generations:
    """Finds out by reading everything once."""

    def __init__(self) -> None:
        self._replays: dict[SampleKey, dict[int, _Replay]] = defaultdict(lambda: defaultdict(_Replay))
        self.highest: dict[SampleKey, int] = {}
        """Of replayed samples; all others count in generation 0."""

    async def read(self, batches: AsyncIterable[Sequence[bytes | None]]) -> None:
        """Looks through everything that a bounded read will read; a failed replay leaves the older result standing."""
        async for values in batches:
            for value in values:
                self._note(value or b"")
        for key, replays in self._replays.items():
            whole = [generation for generation, replay in replays.items() if replay.whole]
            if whole:
                self.highest[key] = max(whole)
        self._replays.clear()

    def _note(self, value: bytes) -> None:
        try:
            message = read_message(value)
        except UNREADABLE:
            return
        if message.generation == 0:
            return
        key = SampleKey(message.dataset_id, message.dataset_version, message.sample_idx)
        replay = self._replays[key][message.generation]
        if isinstance(message, Failure):
            replay.failed = True
            return
        if isinstance(message, TimeDifferences):
            replay.compared = True
            return
        replay.pairs_expected = message.pairs_expected
        replay.heard.add(bytes(message.receiver))
        replay.expected = message.receivers_expected


async def surely_first(pool: Pool, topic: str, dataset_id: str | None) -> Mapping[int, int]:
    """By partition, the offset below which nothing was ever replayed, as far as the sink's ledger can tell.

    Spares a bounded read a look through the whole topic: the ledger holds the generation of everything that the sink
    has read. Empty where something was replayed, or the sink reads another topic.
    """
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        stored = await stored_offsets(connection, group=SINK_GROUP, topic=topic)
        replayed = await any_replayed(connection, dataset_id)
    return {} if replayed else stored
