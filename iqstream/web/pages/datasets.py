"""The list of datasets: search, filter, order, page; live counts."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from iqstream.catalogue.datasets import Dataset, Status
from iqstream.watch.health import health
from iqstream.watch.speed import Speed
from iqstream.web.api import selected
from iqstream.web.documents import SORTS, DatasetQuery
from iqstream.web.listed import Listed
from iqstream.web.markup import Child, Markup, el
from iqstream.web.operations import parsed_query
from iqstream.web.page import duration, page, table

_STATUSES: tuple[Status, ...] = ("submitting", "running", "complete", "cancelled")


async def datasets_page(request: Request) -> Response:
    query: DatasetQuery = parsed_query(request, DatasetQuery)
    listed: Listed = request.app.state.listed
    every = await listed.datasets()
    found = selected(every, query)
    shown = found[query.offset : query.offset + query.limit]
    if not every:
        content: Child = el(
            "p",
            "There are no datasets yet. ",
            el("a", "Make the first one", href="/new"),
            class_="empty",
            data_live=True,
            id="list",
        )
    else:
        content = el(
            "div",
            table(
                [
                    "Name",
                    "Status",
                    "Health",
                    "Decided",
                    "Samples/s",
                    "To go",
                    "Accepted",
                    "Rejected",
                    "IQ kept",
                    "Made",
                ],
                [_row(one, listed.speed(one)) for one in shown],
                caption=f"{len(found)} of {len(every)} datasets",
                empty="No dataset is like that. Other words, or another status?",
            ),
            _paging(query, len(found)),
            id="list",
            data_live=True,
        )
    return page(request, "Datasets", _search(query), content, events="/api/v1/datasets/events")


def _row(one: Dataset, speed: Speed | None) -> list[Child]:
    told = health(one, speed)
    rate = None if speed is None else speed.per_second
    name = one.name if one.version == 1 else f"{one.name} (version {one.version})"
    return [
        el("a", name, href=f"/datasets/{one.id}?version={one.version}"),
        one.status,
        el("span", told, class_="met" if told == "good" else "problem"),
        progress(one),
        "–" if rate is None else f"{rate:.1f}",
        "–" if speed is None or one.grows else duration(speed.eta_s(one.requested - one.decided)),
        one.accepted,
        one.rejected,
        one.iq_samples_saved,
        one.created_at.strftime("%Y-%m-%d %H:%M"),
    ]


def progress(one: Dataset) -> Markup:
    """Returns how much of a dataset is decided, as a bar and in figures."""
    label = f"{one.decided:,} of {one.requested:,}"
    return el(
        "span",
        el("progress", max=max(1, one.requested), value=one.decided, aria_label=f"{label} samples decided"),
        f" {label}",
    )


def _search(query: DatasetQuery) -> Markup:
    def choice(label: str, name: str, values: tuple[str, ...], chosen: str) -> Markup:
        options = [el("option", value or "any", value=value, selected=value == chosen) for value in values]
        return el("label", label, el("select", options, name=name))

    return el(
        "form",
        el("label", "Search", el("input", type="search", name="q", value=query.q)),
        choice("Status", "status", ("", *_STATUSES), query.status),
        choice("Order", "sort", SORTS, query.sort),
        el("button", "Show"),
        method="get",
        action="/",
        class_="row",
        role="search",
    )


def _paging(query: DatasetQuery, total: int) -> Markup:
    def link(label: str, offset: int) -> Markup:
        return el("a", label, href="/?" + urlencode(msgspec.structs.asdict(query) | {"offset": offset}))

    back = link("Previous page", max(0, query.offset - query.limit)) if query.offset else None
    on = link("Next page", query.offset + query.limit) if query.offset + query.limit < total else None
    return el("p", back, " ", on, class_="paging")
