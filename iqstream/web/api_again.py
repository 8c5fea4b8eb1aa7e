"""The API's operations that process samples again: replays, dead letters, and the tasks that do it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from starlette.responses import Response

from iqstream.client.asynchronous import AsyncClient
from iqstream.dead_letters.letter import DeadLetterFilter
from iqstream.replay.results import Replayed, ReplayProgress
from iqstream.web.documents import (
    DeadLetterDetail,
    DeadLetterPage,
    LetterQuery,
    PurgeOrder,
    PurgeQuery,
    RemovalDocument,
    ReplayPlanDocument,
    ReplayQuery,
    RetryOrder,
    RetryPlanDocument,
    letter_detail,
    letter_document,
    plan_document,
    removal_document,
    retry_plan_document,
)
from iqstream.web.operations import PREFIX, Asked, json_response
from iqstream.web.tasks import TaskDocument, TaskPage, Tasks, Tell


async def plan_replay(asked: Asked) -> ReplayPlanDocument:
    query: ReplayQuery = asked.query
    return plan_document(
        await asked.client.plan_replay(
            asked.dataset, version=query.version, samples=query.samples, as_version=query.as_version
        )
    )


async def replay(asked: Asked) -> Response:
    return _begun(await begin_replay(asked.client, asked.state.tasks, asked.dataset, asked.body))


async def begin_replay(client: AsyncClient, tasks: Tasks, dataset: str, order: ReplayQuery) -> TaskDocument:
    """Begins to process samples again, once it is known that they are there.

    Raises:
        UserError, Unreachable: as `AsyncClient.plan_replay`.
        Conflict: another task is under way.
    """
    plan = await client.plan_replay(dataset, version=order.version, samples=order.samples, as_version=order.as_version)
    source = plan.source

    async def work(tell: Tell) -> str:
        done = await client.replay(
            source.id,
            version=source.version,
            samples=order.samples,
            as_version=order.as_version,
            on_progress=_progress(tell),
        )
        left = f"; {len(done.missing)} could not be processed again" if done.missing else ""
        return _outcomes([done]) + left

    target = "" if order.as_version is None else f" as version {order.as_version}"
    return tasks.begin(f"Replay of {source.name}, samples {plan.samples}{target}", work)


def _progress(tell: Tell) -> Callable[[ReplayProgress], None]:
    return lambda now: tell(samples=now.samples, published=now.published, done=now.stored)


def _outcomes(replays: Sequence[Replayed]) -> str:
    """How the samples stand now, in words."""
    total = Counter[str]()
    for one in replays:
        total.update(one.outcomes)
    return ", ".join(f"{count} {name}" for name, count in total.items())


async def list_dead_letters(asked: Asked) -> DeadLetterPage:
    query: LetterQuery = asked.query
    listing = await asked.client.dead_letters(filter_of(query))
    latest = listing.lines[::-1]
    page = latest[query.offset : query.offset + query.limit]
    return DeadLetterPage(dead_letters=[letter_document(line) for line in page], total=len(latest))


def filter_of(query: LetterQuery | RetryOrder | PurgeQuery) -> DeadLetterFilter:
    """Returns which letters are meant."""
    return DeadLetterFilter(stage=query.stage or None, error=query.error or None)


async def show_dead_letter(asked: Asked) -> DeadLetterDetail:
    return letter_detail(await asked.client.dead_letter(asked.request.path_params["origin"]))


async def plan_retry(asked: Asked) -> RetryPlanDocument:
    order: RetryOrder = asked.body
    return retry_plan_document(
        await asked.client.plan_dead_letter_retry(filter_of(order), origins=order.origins or None)
    )


async def retry(asked: Asked) -> Response:
    return _begun(await begin_retry(asked.client, asked.state.tasks, asked.body))


async def begin_retry(client: AsyncClient, tasks: Tasks, order: RetryOrder) -> TaskDocument:
    """Begins to process the samples of dead letters again.

    Raises:
        UserError, Unreachable: as `AsyncClient.plan_dead_letter_retry`.
        Conflict: another task is under way.
    """
    wanted, origins = filter_of(order), order.origins or None
    plan = await client.plan_dead_letter_retry(wanted, origins=origins)

    async def work(tell: Tell) -> str:
        done = await client.retry_dead_letters(wanted, origins=origins, on_progress=_progress(tell))
        refused = sum(one.letters for one in done.refused)
        told = _outcomes(done.replays) or "Nothing was to be processed again"
        return told + (f"; {refused} letters cannot be retried" if refused else "")

    letters = sum(one.letters for one in plan.retries)
    return tasks.begin(f"Retry of {letters} dead letters", work)


async def plan_purge(asked: Asked) -> RemovalDocument:
    order: PurgeOrder = asked.body
    return removal_document(
        await asked.client.plan_dead_letter_purge(
            filter_of(order), origins=order.origins or None, retried=order.retried
        )
    )


async def purge(asked: Asked) -> RemovalDocument:
    order: PurgeOrder = asked.body
    return removal_document(
        await asked.client.purge_dead_letters(filter_of(order), origins=order.origins or None, retried=order.retried)
    )


async def list_tasks(asked: Asked) -> TaskPage:
    return TaskPage(tasks=asked.state.tasks.latest())


async def show_task(asked: Asked) -> TaskDocument:
    found: TaskDocument = asked.state.tasks.one(int(asked.request.path_params["number"]))
    return found


def _begun(task: TaskDocument) -> Response:
    response = json_response(task, status=202)
    response.headers["location"] = f"{PREFIX}/tasks/{task.number}"
    return response
