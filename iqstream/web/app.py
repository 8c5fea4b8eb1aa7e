"""The ASGI application: the API and the pages, behind the guard, over one front door."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from iqstream.client.asynchronous import AsyncClient
from iqstream.runtime.errors import IqstreamError
from iqstream.web.api import OPERATIONS
from iqstream.web.estimates import Estimates
from iqstream.web.events import Hub
from iqstream.web.exports import Exports
from iqstream.web.hillshades import Hillshades
from iqstream.web.lag_history import LagHistory
from iqstream.web.listed import Listed
from iqstream.web.openapi import openapi_document
from iqstream.web.operations import PREFIX, json_response
from iqstream.web.pages.accuracy import accuracy_page
from iqstream.web.pages.dataset import dataset_action, dataset_page, delete_page
from iqstream.web.pages.datasets import datasets_page
from iqstream.web.pages.distributions import distributions_page
from iqstream.web.pages.export import export_dataset, export_page
from iqstream.web.pages.lag import lag_page
from iqstream.web.pages.letters import letter_page, letters_page, purge_letters, purge_page, retry_letters
from iqstream.web.pages.move import move_page, move_stage
from iqstream.web.pages.new import estimate_form, new_page, submit_form
from iqstream.web.pages.replay import replay_dataset, replay_page
from iqstream.web.pages.sample import sample_page
from iqstream.web.pages.signing import sign_in, sign_in_page, sign_out
from iqstream.web.pages.tasks import tasks_page
from iqstream.web.problems import Refusal, answer_error
from iqstream.web.recordings import Recordings
from iqstream.web.reports import Reports
from iqstream.web.security import Access, Guard
from iqstream.web.submitting import Submissions
from iqstream.web.tasks import Tasks

READ_AT_ONCE = 1
"""Readings of many of Kafka's records, which take seconds: of a dataset's, or of those that a move leads over."""
MADE_AT_ONCE = 1
"""Pictures and files of recordings: their cost is bounded."""


def dashboard_app(client: AsyncClient, access: Access) -> ASGIApp:
    """Returns the application.

    Args:
        client: the front door; everything is asked of it.
        access: who is let in.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with client:
            await asyncio.to_thread(app.state.exports.clean_up)
            reading = asyncio.create_task(app.state.lag_history.keep(client))
            loading = asyncio.create_task(client.load_generator())  # the first sample's page would wait for it
            try:
                yield
            finally:
                reading.cancel()
                await app.state.submissions.close()
                await app.state.tasks.close()
                app.state.exports.close()
                await app.state.reports.close()
                await asyncio.gather(reading, loading, return_exceptions=True)

    app = Starlette(
        routes=_routes(),
        lifespan=lifespan,
        exception_handlers={
            IqstreamError: answer_error,
            Refusal: answer_error,
            HTTPException: _answer_http_error,
            Exception: answer_error,
        },
    )
    app.state.client = client
    app.state.access = access
    app.state.hub = Hub()
    app.state.lag_history = LagHistory()
    app.state.recordings = Recordings(client)
    app.state.hillshades = Hillshades(client)
    app.state.submissions = Submissions(client)
    app.state.estimates = Estimates(client)
    app.state.tasks = Tasks()
    app.state.exports = Exports(client, app.state.tasks)
    app.state.reports = Reports(client)
    app.state.listed = Listed(client)
    app.state.moving = asyncio.Lock()
    app.state.reading = asyncio.Semaphore(READ_AT_ONCE)
    app.state.making = asyncio.Semaphore(MADE_AT_ONCE)
    return Guard(app, access)


def _routes() -> list[Route | Mount]:
    document = openapi_document()

    async def openapi(_request: Request) -> Response:
        return json_response(document)

    def get(path: str, endpoint: Any) -> Route:  # noqa: ANN401  # a handler
        return Route(path, endpoint, methods=["GET"])

    def post(path: str, endpoint: Any) -> Route:  # noqa: ANN401  # a handler
        return Route(path, endpoint, methods=["POST"])

    return [
        get(f"{PREFIX}/openapi.json", openapi),
        *(Route(PREFIX + one.path, one.handle, methods=[one.method]) for one in OPERATIONS),
        get("/", datasets_page),
        get("/new", new_page),
        post("/new", submit_form),
        post("/new/estimate", estimate_form),
        get("/datasets/{dataset}", dataset_page),
        get("/datasets/{dataset}/delete", delete_page),
        get("/datasets/{dataset}/replay", replay_page),
        post("/datasets/{dataset}/replay", replay_dataset),
        get("/datasets/{dataset}/export", export_page),
        post("/datasets/{dataset}/export", export_dataset),
        get("/datasets/{dataset}/distributions", distributions_page),
        get("/datasets/{dataset}/accuracy", accuracy_page),
        get("/datasets/{dataset}/samples/{sample:int}", sample_page),
        post("/datasets/{dataset}/{action}", dataset_action),
        get("/lag", lag_page),
        get("/stages/{stage}/move", move_page),
        post("/stages/{stage}/move", move_stage),
        get("/dead-letters", letters_page),
        post("/dead-letters/retry", retry_letters),
        get("/dead-letters/purge", purge_page),
        post("/dead-letters/purge", purge_letters),
        get("/dead-letters/{origin}", letter_page),
        get("/tasks", tasks_page),
        get("/sign-in", sign_in_page),
        post("/sign-in", sign_in),
        post("/sign-out", sign_out),
        Mount("/static", StaticFiles(packages=[("iqstream.web", "static")])),
    ]


async def _answer_http_error(request: Request, error: Exception) -> Response:
    """What the router refuses: no such page, or no such method there."""
    assert isinstance(error, HTTPException)  # noqa: S101  # it is registered for these
    path = request.url.path
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        answer = await answer_error(request, Refusal(405, f"{request.method} is not possible on {path}: {allowed} is"))
        answer.headers["allow"] = allowed
        return answer
    return await answer_error(request, Refusal(404, f"there is nothing at {path}"))
