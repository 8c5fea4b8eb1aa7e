"""Replays, retries and exports that this server does: how far they are, and how they ended."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from iqstream.web.markup import Child, el
from iqstream.web.page import page, size, table
from iqstream.web.tasks import FileDocument, TaskDocument, Tasks

REFRESH_S = 2.0


async def tasks_page(request: Request) -> Response:
    tasks: Tasks = request.app.state.tasks
    return page(
        request,
        "Tasks",
        el("p", "Replays, retries and exports that were begun here. One is done at a time."),
        el(
            "div",
            table(
                ["Task", "State", "Published", "Done", "Begun", "Result"],
                [_row(one) for one in tasks.latest()],
                caption="The latest first",
                empty="None was begun since this server started.",
            ),
            id="tasks",
            data_live=True,
        ),
        refresh_s=REFRESH_S,
    )


def _file(one: TaskDocument, file: FileDocument) -> Child:
    address = f"/api/v1/tasks/{one.number}/files/{file.name}"
    return el("a", file.name, href=address, download=file.name), f" ({size(file.size_bytes)})"


def _row(one: TaskDocument) -> list[Child]:
    done = f"{one.done} of {one.samples}" if one.samples else "–"
    return [
        one.about,
        one.state,
        f"{one.published} of {one.samples}" if one.published is not None else "–",
        el(
            "span",
            el("progress", max=max(1, one.samples), value=one.done, aria_label=f"{done} done"),
            f" {done}",
        ),
        one.begun_at.strftime("%H:%M:%S"),
        (one.result or "–", [[el("br"), _file(one, file)] for file in one.files]),
    ]
