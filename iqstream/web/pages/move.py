"""Moving a stage to another position: what that means, and doing it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from iqstream.runtime.errors import UserError
from iqstream.runtime.stages import SINK, Stage
from iqstream.web.forms import form_of
from iqstream.web.markup import Child, Markup, el, lines_of
from iqstream.web.moves import HalfMoved, MoveOrder, MovePlanDocument, MoveQuery, do_move, plan_of, stage_of
from iqstream.web.operations import converted, parsed_query
from iqstream.web.page import duration, page, table
from iqstream.web.problems import Refusal, problem_of

_TARGETS = {
    "current": "where it stands",
    "earliest": "the first record that is still there",
    "latest": "the end: what is there now is skipped",
    "time": "the first record of a time",
    "ago": "the first record of so many minutes ago",
    "offset": "an offset, on every partition",
    "shift": "so many offsets forward; backward where negative",
    "offsets": "an offset for each partition",
}
_FIELDS = {
    "time": ("Time, with its zone", "2026-11-25T14:30:00Z"),
    "ago": ("Minutes ago", "30"),
    "offset": ("Offset", "0"),
    "shift": ("Offsets forward", "-100"),
    "offsets": ("Partitions and offsets", "0:128,1:130"),
    "partitions": ("Only these partitions", "all, or 0,3"),
}


class _View(MoveQuery, frozen=True, kw_only=True):
    """What the page shows."""

    moved: bool = False
    """Whether it was moved just now: what is shown is the way back."""


async def move_page(request: Request) -> Response:
    """Shows what moving a stage would mean, and the button that does it."""
    stage = stage_of(request.path_params["stage"])
    if not request.query_params:
        return _page(request, stage, {}, None)
    try:
        query: _View = parsed_query(request, _View)
    except Refusal as error:
        return _page(request, stage, request.query_params, str(error), status=error.problem.status)
    if query == _View(moved=True):
        return _page(request, stage, {}, None, moved=True)
    try:
        plan = await plan_of(request.app.state.client, request.app.state.reading, stage, query)
    except (Refusal, UserError) as error:
        status = problem_of(error).status
        return _page(request, stage, request.query_params, str(error), moved=query.moved, status=status)
    return _page(request, stage, request.query_params, None, plan=plan, moved=query.moved)


async def move_stage(request: Request) -> Response:
    """Moves the stage to what the page showed, and shows the way back; or shows the page again with what is wrong."""
    stage, form = stage_of(request.path_params["stage"]), await form_of(request)
    try:
        order: MoveOrder = converted(form, MoveOrder)
        done = await do_move(request.app.state.client, request.app.state.moving, stage, order)
    except HalfMoved as error:
        given = {"to": "offsets", "offsets": error.way_back} if error.way_back else form
        return _page(request, stage, given, str(error), status=error.problem.status)
    except (Refusal, UserError) as error:
        return _page(request, stage, form, str(error), status=problem_of(error).status)
    back = {"to": "offsets", "offsets": done.way_back} if done.way_back else {}
    return RedirectResponse(f"/stages/{stage.name}/move?{urlencode(back | {'moved': 'true'})}", status_code=303)


def _page(
    request: Request,
    stage: Stage,
    given: Mapping[str, str],
    problem: str | None,
    *,
    plan: MovePlanDocument | None = None,
    moved: bool = False,
    status: int = 200,
) -> Response:
    if plan is not None:
        way_back = "Below is the way back."
    elif problem is None:
        way_back = "It had no position before: there is no way back."
    else:
        way_back = "What the way back means cannot be told:"
    return page(
        request,
        f"Move the {stage.name}",
        el("p", el("a", "Lag", href="/lag"), f" – it reads {stage.topic} as group {stage.group}. {stage.work}"),
        el("p", "It is moved. ", way_back, role="status", class_="met") if moved else None,
        el("p", problem, class_="problem", role="alert") if problem else None,
        _choice(given),
        None if plan is None else _meaning(stage, plan),
        status=status,
    )


def _choice(given: Mapping[str, str]) -> Markup:
    chosen = given.get("to", "current")
    targets = [el("option", told, value=name, selected=name == chosen) for name, told in _TARGETS.items()]
    return el(
        "form",
        el("label", "To", el("select", targets, name="to")),
        [
            el("label", label, el("input", name=name, value=given.get(name, ""), placeholder=example))
            for name, (label, example) in _FIELDS.items()
        ],
        el("button", "Show what it means"),
        el("small", "What lies between is read and counted, for 10 s at most."),
        class_="row",
    )


def _meaning(stage: Stage, plan: MovePlanDocument) -> Child:
    again = sum(one.records for one in plan.partitions if one.again)
    skipped = sum(one.records for one in plan.partitions if not one.again)
    at_least = "" if all(one.counted_whole for one in plan.partitions) else "at least "
    facts: list[tuple[str, Child]] = [
        ("Records read again", f"{at_least}{again:,}"),
        ("Records skipped", f"{at_least}{skipped:,}"),
        ("Samples read again", f"{at_least}{plan.samples_again:,}"),
        (
            "Until it stands where it does now",
            ("" if plan.projected_s is None else at_least) + duration(plan.projected_s),
        ),
        ("Its workers", ", ".join(plan.members) or "none: it does not run"),
    ]
    warnings = [el("p", f"Partition {one.partition}: {told}", class_="problem")
                for one in plan.partitions for told in one.warnings]  # fmt: skip
    return el(
        "section",
        el("h2", "What it means"),
        el("dl", [[el("dt", name), el("dd", value)] for name, value in facts]),
        el("p", "Samples that are decided already stay as they are.") if stage == SINK and again else None,
        warnings,
        table(
            ["Partition", "From", "To", "Records between", "They are", "There are"],
            [
                [
                    one.partition, "–" if one.current is None else one.current, one.target,
                    f"{one.records:,}{'' if one.counted_whole else '+'}", _direction(one.current, one.target),
                    f"{one.log_start} to {one.end}",
                ]
                for one in plan.partitions
            ],
            caption=f"Partitions of {plan.topic}",
            empty="None of its partitions is meant.",
        ),
        table(
            ["Dataset", "Version", "Status", "Samples"],
            [
                [el("a", one.name or one.dataset_id, href=f"/datasets/{one.dataset_id}?version={one.version}"),
                 one.version, one.status, one.samples]
                for one in plan.datasets
            ],
            caption=f"Datasets between{', with their samples at least' if at_least else ''}",
            empty="No sample was found between." if at_least else "No sample lies between.",
        ),
        _button(stage, plan) if plan.partitions else None,
        el("p", "The same as a command line:"),
        el("pre", lines_of(_command(stage, plan)), tabindex="0"),
    )  # fmt: skip


def _direction(current: int | None, target: int) -> str:
    if current is None or target == current:
        return ""
    return "again" if target < current else "skipped"


def _button(stage: Stage, plan: MovePlanDocument) -> Markup:
    """Moves to the offsets that are shown, whatever the stage has done since."""
    forced = (
        el(
            "label",
            el("span", el("input", type="checkbox", name="force", value="true"), " although it runs"),
            el("small", "Its workers are fenced: what they have not committed is done again by whoever takes over."),
        )
        if plan.members
        else None
    )
    return el(
        "form",
        el("input", type="hidden", name="to", value="offsets"),
        el("input", type="hidden", name="offsets", value=plan.way_there),
        forced,
        el("button", "Move it"),
        method="post",
        action=f"/stages/{stage.name}/move",
        class_="row",
    )


def _command(stage: Stage, plan: MovePlanDocument) -> str:
    lines = [f"{plan.topic},{one.partition},{one.target}" for one in plan.partitions]
    force = " --force" if plan.members else ""
    return "\n".join(
        [
            "cat > to.csv <<'END'", *lines, "END",
            f"iqstream replay --stage {stage.name} --from-file to.csv --export back.csv --execute{force}",
        ]
    )  # fmt: skip
