"""The front door for scripts and notebooks: the asynchronous one's calls, each returning when it is done."""

import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from iqstream.client.asynchronous import AsyncClient, aconnect
from iqstream.client.background_loop import BackgroundLoop
from iqstream.client.calls import log
from iqstream.runtime.settings import Settings

if TYPE_CHECKING:
    from iqstream.dataset import FeatureStream

P = ParamSpec("P")
T = TypeVar("T")


def connect(
    settings: Settings | None = None,
    *,
    state_dir: Path | str | None = None,
    tell: Callable[[str], None] = log.info,
) -> "Client":
    """Returns a client of the servers that the settings name, for `with` or until its `close()`.

    Args:
        settings: where the servers are; if not given, what the environment and the state directory say.
        state_dir: the embedded servers of this directory instead, wherever the environment leads.
        tell: is told in a sentence what was chosen where several things were possible: which version of a dataset.

    Raises:
        UserError: a setting is wrong or missing; lists all of them.
    """
    return Client(aconnect(settings, state_dir=state_dir, tell=tell))


def _call(
    method: "Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]",
) -> "Callable[Concatenate[Client, P], T]":
    @functools.wraps(method)
    def call(self: "Client", /, *arguments: P.args, **named: P.kwargs) -> T:
        return self._loop.run(method(self._client, *arguments, **named))

    return call


def _iteration(
    method: "Callable[Concatenate[AsyncClient, P], AsyncGenerator[T, None]]",
) -> "Callable[Concatenate[Client, P], Iterator[T]]":
    @functools.wraps(method)
    def iterate(self: "Client", /, *arguments: P.args, **named: P.kwargs) -> Iterator[T]:
        return self._loop.iterate(method(self._client, *arguments, **named))

    return iterate


class Client:
    """`AsyncClient` without `await`. Works within a running event loop, too: the calls run in a thread of their own."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._loop = BackgroundLoop()
        self.settings = client.settings

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kafka={self.settings.kafka_bootstrap!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the client's thread. What it still does is cancelled."""
        self._loop.close()

    datasets = _call(AsyncClient.datasets)
    datasets_mark = _call(AsyncClient.datasets_mark)
    versions = _call(AsyncClient.versions)
    dataset = _call(AsyncClient.dataset)
    cancel = _call(AsyncClient.cancel)
    check = _call(AsyncClient.check)
    estimate = _call(AsyncClient.estimate)
    terrain = _call(AsyncClient.terrain)
    submit = _call(AsyncClient.submit)
    begin_growth = _call(AsyncClient.begin_growth)
    resume = _call(AsyncClient.resume)
    resume_growth = _call(AsyncClient.resume_growth)
    end = _call(AsyncClient.end)
    extend = _call(AsyncClient.extend)
    ingest = _call(AsyncClient.ingest)
    rename = _call(AsyncClient.rename)
    describe = _call(AsyncClient.describe)
    iq = _call(AsyncClient.iq)
    export_iq = _call(AsyncClient.export_iq)
    plot = _call(AsyncClient.plot)
    plot_iq = _call(AsyncClient.plot_iq)
    watch = _iteration(AsyncClient.watch)
    plan_replay = _call(AsyncClient.plan_replay)
    replay = _call(AsyncClient.replay)
    plan_move = _call(AsyncClient.plan_move)
    move = _call(AsyncClient.move)
    dead_letters = _call(AsyncClient.dead_letters)
    dead_letter = _call(AsyncClient.dead_letter)
    plan_dead_letter_retry = _call(AsyncClient.plan_dead_letter_retry)
    retry_dead_letters = _call(AsyncClient.retry_dead_letters)
    plan_dead_letter_purge = _call(AsyncClient.plan_dead_letter_purge)
    purge_dead_letters = _call(AsyncClient.purge_dead_letters)
    plan_delete = _call(AsyncClient.plan_delete)
    delete = _call(AsyncClient.delete)
    plan_cleanup = _call(AsyncClient.plan_cleanup)
    cleanup = _call(AsyncClient.cleanup)
    initialise = _call(AsyncClient.initialise)
    samples = _call(AsyncClient.samples)
    sample = _call(AsyncClient.sample)
    links = _call(AsyncClient.links)
    truth = _call(AsyncClient.truth)
    accuracy = _call(AsyncClient.accuracy)
    relief = _call(AsyncClient.relief)
    load_generator = _call(AsyncClient.load_generator)
    outcomes_by_distance = _call(AsyncClient.outcomes_by_distance)
    distribution = _call(AsyncClient.distribution)
    verify = _call(AsyncClient.verify)
    export = _call(AsyncClient.export)
    lag = _call(AsyncClient.lag)
    follow_lag = _iteration(AsyncClient.follow_lag)
    serve_lag = _call(AsyncClient.serve_lag)
    advise = _call(AsyncClient.advise)

    @functools.wraps(AsyncClient.stream)
    def stream(self, name_or_id: str | None = None, **options: Any) -> "FeatureStream":  # noqa: ANN401  # FeatureStream's
        return self._client.stream(name_or_id, **options)
