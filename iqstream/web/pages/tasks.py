"""Replays and retries that this server does: how far they are, and how they ended."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from iqstream.web.markup import Child, el
from iqstream.web.page import page, table
from iqstream.web.tasks import TaskDocument, Tasks

REFRESH_S = 2.0


async def tasks_page(request: Request) -> Response:
    tasks: Tasks = request.app.state.tasks
    return page(
        request,
        "Tasks",
        el("p", "Replays and retries that were begun here. One is done at a time."),
        el(
            "div",
            table(
                ["Task", "State", "Published", "Decided anew", "Begun", "Result"],
                [_row(one) for one in tasks.latest()],
                caption="The latest first",
                empty="None was begun since this server started.",
            ),
            id="tasks",
            data_live=True,
        ),
        refresh_s=REFRESH_S,
    )


def _row(one: TaskDocument) -> list[Child]:
    decided = f"{one.stored} of {one.samples}" if one.samples else "–"
    return [
        one.about,
        one.state,
        f"{one.published} of {one.samples}" if one.samples else "–",
        el(
            "span",
            el("progress", max=max(1, one.samples), value=one.stored, aria_label=f"{decided} decided"),
            f" {decided}",
        ),
        one.begun_at.strftime("%H:%M:%S"),
        one.result or "–",
    ]
