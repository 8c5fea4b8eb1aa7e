"""The frame of every page: head, navigation, and what is said when there is nothing to show."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse

from iqstream.web.documents import Problem
from iqstream.web.markup import Child, Markup, el, lines_of, text
from iqstream.web.security import Access

_PAGES = (
    ("/", "Datasets"), ("/new", "New"), ("/lag", "Lag"), ("/dead-letters", "Dead letters"), ("/tasks", "Tasks"),
)  # fmt: skip


def page(
    request: Request,
    title: str,
    *content: Child,
    events: str | None = None,
    refresh_s: float | None = None,
    script: str | None = None,
    status: int = 200,
) -> HTMLResponse:
    """Returns a page.

    Args:
        request: what it answers.
        title: of the page, its first heading.
        content: below the heading. Elements with an id and `data_live` are brought up to date in place.
        events: the address of the events at which they are; if not given, none.
        refresh_s: seconds after which they are, instead.
        script: of this page alone, a file below `static`.
        status: of the answer.
    """
    access: Access = request.app.state.access
    path = request.url.path
    links = [el("a", name, href=address, aria_current="page" if address == path else None) for address, name in _PAGES]
    signed = (
        el("form", el("button", "Sign out", class_="link"), method="post", action="/sign-out")
        if access.knows(request)
        else el("a", "Sign in to change things", href=f"/sign-in?next={path}")
    )
    return _document(
        title,
        el("nav", links, el("span", signed, class_="right"), aria_label="Pages"),
        el("p", id="banner", role="status", hidden=True),
        el("main", el("h1", title), content, id="main"),
        events=events,
        refresh_s=refresh_s,
        script=script,
        status=status,
    )


def problem_page(problem: Problem) -> HTMLResponse:
    """Returns the page of an error; it is loaded again by itself where a server is away."""
    way = (
        el("p", el("a", "Sign in", href="/sign-in"))
        if problem.status == 401
        else el("p", el("a", "Datasets", href="/"))
    )
    return _document(
        problem.title,
        el("main", el("h1", problem.title), el("p", problem.detail, class_="problem", role="alert"), way, id="main"),
        reload_s=3 if problem.status == 503 else None,
        status=problem.status,
    )


def _document(
    title: str,
    *body: Child,
    events: str | None = None,
    refresh_s: float | None = None,
    reload_s: float | None = None,
    script: str | None = None,
    status: int = 200,
) -> HTMLResponse:
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"{title} – iqstream"),
        el("link", rel="stylesheet", href="/static/style.css"),
        el("link", rel="icon", href="data:,"),
        el("script", src="/static/live.js", defer=True),
        el("script", src=f"/static/{script}", defer=True) if script else None,
    )
    whole = el(
        "html",
        head,
        el("body", *body, data_events=events, data_refresh=refresh_s, data_reload=reload_s),
        lang="en",
    )
    return HTMLResponse(f"<!doctype html>{text(whole)}", status_code=status, headers={"cache-control": "no-store"})


def table(heads: list[str], rows: list[list[Child]], *, caption: str, empty: str) -> Markup:
    """Returns a table that scrolls sideways on a narrow screen; a sentence where it has no rows."""
    if not rows:
        return el("p", empty, class_="empty")
    head = el("thead", el("tr", [el("th", name, scope="col") for name in heads]))
    body = el("tbody", [el("tr", [el("td", cell) for cell in row]) for row in rows])
    return el(
        "div",
        el("table", el("caption", caption), head, body),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=caption,
    )


def button(action: str, label: str, **fields: str) -> Markup:
    """Returns a form of one button that changes something."""
    hidden = [el("input", type="hidden", name=name, value=value) for name, value in fields.items()]
    return el("form", hidden, el("button", label), method="post", action=action, class_="inline")


def duration(seconds: float | None) -> str:
    """Returns a time in words: `3 min 20 s`; a dash where it is not known."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def size(count: int) -> str:
    """Returns bytes in words: `12.3 MB`."""
    for unit, many in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= many:
            return f"{count / many:.3g} {unit}"
    return f"{count} B"


def json_block(value: object) -> Markup:
    """Returns JSON values as text for people."""
    return el("pre", lines_of(msgspec.json.format(msgspec.json.encode(value), indent=2).decode()), tabindex="0")
