"""What `generate --continuous` and `datasets resume --rate` share: the rate, and a dataset that grows until Ctrl-C."""

import asyncio
import signal
import time

import msgspec

from iqstream.catalogue.datasets import Dataset
from iqstream.cli.console import say, say_json
from iqstream.cli.door import with_client
from iqstream.client.asynchronous import AsyncClient
from iqstream.submit.continuous import Tick
from schemas import DatasetSpec

MAX_SAMPLES_PER_S = 10_000.0
LINE_EVERY_S = 5.0


def grow_until_stopped(spec: DatasetSpec, rate_per_s: float, *, as_json: bool) -> None:
    """Until SIGTERM or Ctrl-C, which end the dataset (a second one ends this alone); a line every few seconds.

    Raises:
        Failed: another one submits to the dataset since.
        Unreachable: a server is away at the end.
    """
    dataset = with_client(lambda client: _grow(client, spec, rate_per_s, _Lines(spec, as_json=as_json)))
    if not as_json:
        say(growth_ended(dataset))


def growth_ended(dataset: Dataset) -> str:
    """One line on a dataset that has ended to grow."""
    if dataset.status == "cancelled":
        return f"{dataset.name!r} is cancelled."
    open_samples = dataset.requested - dataset.decided
    watch = f"`iqstream datasets watch {dataset.id}`"
    rest = f"{open_samples:,} not decided yet: {watch}" if open_samples else "all decided"
    return f"{dataset.name!r} has ended at {dataset.requested:,} samples, {rest}."


async def _grow(client: AsyncClient, spec: DatasetSpec, rate_per_s: float, lines: "_Lines") -> Dataset:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    return await client.grow(spec, rate_per_s, stop=stop, on_tick=lines.show, on_outage=lines.show_outage)


class _Lines:
    """Prints the first tick, then one every few seconds; each outage once."""

    def __init__(self, spec: DatasetSpec, *, as_json: bool) -> None:
        self._spec = spec
        self._as_json = as_json
        self._next_s = 0.0
        self._outage = ""

    def show(self, tick: Tick) -> None:
        """How it stands, if it is time to say so."""
        self._outage = ""
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + LINE_EVERY_S
        if self._as_json:
            say_json({"dataset_id": self._spec.dataset_id, "seed": self._spec.seed} | msgspec.to_builtins(tick))
        else:
            held_back = ", held back" if tick.held_back else ""
            say(f"{self._spec.name}: submitted {tick.submitted}, backlog {tick.backlog} samples{held_back}")

    def show_outage(self, problem: str) -> None:
        """What keeps it from submitting, on standard error."""
        if problem != self._outage:
            say(f"{self._spec.name}: waiting, nothing is lost: {problem}", err=True)
        self._outage = problem
