"""Processing a dataset again: what it would do, and doing it."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from iqstream.web.api_again import begin_replay
from iqstream.web.documents import ReplayQuery
from iqstream.web.forms import form_of
from iqstream.web.markup import el
from iqstream.web.operations import converted, parsed_query
from iqstream.web.page import button, page, table


async def replay_page(request: Request) -> Response:
    """Shows what processing a dataset again would do, the button and the command that do it."""
    query: ReplayQuery = parsed_query(request, ReplayQuery)
    plan = await request.app.state.client.plan_replay(
        request.path_params["dataset"], version=query.version, samples=query.samples, as_version=query.as_version
    )
    found = plan.source
    command = f"iqstream replay --dataset {found.id}" + (f" --samples {query.samples}" if query.samples else "")
    command += (f" --as-version {query.as_version}" if query.as_version else "") + " --execute"
    facts = [
        ("Samples", str(plan.samples)),
        ("Results", "in place of the old ones" if plan.as_version is None else f"as version {plan.as_version}"),
        ("Frames that Kafka still has", plan.frames_kept),
        ("Frames to synthesise again", plan.frames_to_synthesize),
        ("Samples to generate again", plan.samples_to_generate_again),
        ("Cannot be processed again", len(plan.missing)),
    ]
    asked = {name: str(value) for name, value in msgspec.structs.asdict(query).items() if value is not None}
    return page(
        request,
        f"Process {found.name} again",
        el(
            "form",
            el(
                "label",
                "Samples",
                el("input", name="samples", value=query.samples or "", placeholder="all, or 0-99,120"),
            ),
            el(
                "label",
                "As version",
                el("input", type="number", name="as_version", min=2, value=query.as_version or ""),
            ),
            el("button", "Show what it means"),
            class_="row",
        ),
        el("dl", [[el("dt", name), el("dd", value)] for name, value in facts]),
        table(
            ["Sample", "Why not"],
            [[idx, why] for idx, why in plan.missing],
            caption="Cannot be processed again",
            empty="Every sample can be processed again.",
        ),
        button(f"/datasets/{found.id}/replay", "Process them again", **asked),
        el("p", "The same as a command line:"),
        el("pre", command, tabindex="0"),
    )


async def replay_dataset(request: Request) -> Response:
    """Begins what the page showed, and goes to the tasks."""
    order: ReplayQuery = converted(await form_of(request), ReplayQuery)
    state = request.app.state
    await begin_replay(state.client, state.tasks, request.path_params["dataset"], order)
    return RedirectResponse("/tasks", status_code=303)
