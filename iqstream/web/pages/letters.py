"""Dead letters: what could not be processed, why, and trying it again."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from iqstream.client.asynchronous import AsyncClient
from iqstream.web.api_again import begin_retry, filter_of
from iqstream.web.documents import SHOWN_BYTES, LetterQuery, PurgeQuery, RetryOrder
from iqstream.web.forms import form_of
from iqstream.web.markup import el
from iqstream.web.operations import parsed_query
from iqstream.web.page import button, json_block, page, table
from iqstream.web.problems import Refusal


async def letters_page(request: Request) -> Response:
    query: LetterQuery = parsed_query(request, LetterQuery)
    client: AsyncClient = request.app.state.client
    listing = await client.dead_letters(filter_of(query))
    latest = listing.lines[::-1]
    shown = latest[query.offset : query.offset + query.limit]
    following = query.offset + query.limit
    kind = {"stage": query.stage, "error": query.error}
    more = kind | {"limit": query.limit, "offset": following}
    return page(
        request,
        "Dead letters",
        table(
            ["Stage", "Topic", "Error", "Letters"],
            [
                [stage, topic, el("a", error, href=_address(stage=stage, error=error)), count]
                for (stage, topic, error), count in listing.counts.items()
            ],
            caption="By kind",
            empty="There are none: every record could be processed.",
        ),
        table(
            ["Origin", "Stage", "Error", "Message", "Bytes", "Kept", "Retried"],
            [
                [
                    el("a", str(line.origin), href=f"/dead-letters/{line.origin}"),
                    line.stage, line.error, line.message, line.size,
                    line.kept_at.strftime("%Y-%m-%d %H:%M:%S"), len(line.retries),
                ]
                for line in shown
            ],
            caption=f"{len(latest)} letters, the latest first",
            empty="",
        ) if latest else None,
        el("p", el("a", "Next page", href=_address(**more)) if following < len(latest) else None),
        (
            el("p", "After a fix, their samples can be processed again: those listed that were not retried yet."),
            button("/dead-letters/retry", "Retry them", stage=query.stage, error=query.error),
            " ",
            el("a", "Remove them…", href=f"/dead-letters/purge?{urlencode(kind)}"),
        ) if latest else None,
    )  # fmt: skip


def _address(**query: object) -> str:
    return "/dead-letters?" + urlencode(query)


async def letter_page(request: Request) -> Response:
    """Shows one letter with its headers and first bytes."""
    report = await request.app.state.client.dead_letter(request.path_params["origin"])
    letter = report.letter
    found = letter.fields()
    facts = [
        ("Stage", letter.stage),
        ("Error", letter.error),
        ("Message", letter.message),
        ("Kept", letter.kept_at.isoformat(timespec="seconds")),
        ("Bytes", len(letter.value)),
        ("Is", "no message of ours" if found is None else found[0]),
    ]
    return page(
        request,
        f"Dead letter {letter.origin}",
        el("dl", [[el("dt", name), el("dd", value)] for name, value in facts]),
        table(
            ["Header", "Value"],
            [[name, "–" if value is None else value.decode("utf-8", "replace")] for name, value in letter.headers],
            caption="Headers",
            empty="It has no headers.",
        ),
        table(
            ["Sample", "Retried", "Outcome"],
            [
                [str(one.sample), one.retried_at.isoformat(timespec="seconds"), one.outcome or "–"]
                for one in report.retries
            ],
            caption="Retries",
            empty="It was not retried.",
        ),
        button("/dead-letters/retry", "Process its samples again", origin=str(letter.origin))
        if letter.samples()
        else el("p", "It names no sample: there is nothing to process again.", class_="empty"),
        None if found is None else (el("h2", "Fields"), json_block(found[1])),
        el("h2", f"First {min(SHOWN_BYTES, len(letter.value))} bytes"),
        el("pre", letter.value[:SHOWN_BYTES].hex(" "), tabindex="0"),
    )


async def purge_page(request: Request) -> Response:
    """Says what removing letters means, and asks."""
    query: PurgeQuery = parsed_query(request, PurgeQuery)
    plan = await request.app.state.client.plan_dead_letter_purge(filter_of(query), retried=query.retried)
    states = plan.states
    kind = {"stage": query.stage, "error": query.error}
    other = el(
        "a",
        "All of them instead" if query.retried else "Only those whose samples were decided by a retry",
        href="/dead-letters/purge?" + urlencode(kind | {"retried": "false" if query.retried else "true"}),
    )
    facts = [
        ("Letters", len(plan.lines)),
        ("Samples decided by a retry", states["decided"]),
        ("A retry is under way", states["under_way"]),
        ("Nobody has retried", states["never_retried"]),
    ]
    return page(
        request,
        "Remove dead letters?",
        el("p", " ".join(filter(None, (f"Of stage {query.stage}." if query.stage else "", query.error)))),
        el("dl", [[el("dt", name), el("dd", count)] for name, count in facts]),
        el("p", "They go for good, with their bytes. What the samples came to stays as it is."),
        el(
            "p",
            f"{len(plan.hidden)} of their records stay in Kafka behind letters that are kept; they are listed no more.",
        )
        if plan.hidden
        else None,
        button("/dead-letters/purge", "Remove them for good", **kind, retried=str(query.retried).lower())
        if plan.lines
        else el("p", "There is none of this kind.", class_="empty"),
        el("p", other),
        el("p", el("a", "Keep them", href=_address(**kind))),
    )


async def purge_letters(request: Request) -> Response:
    """Removes letters, and goes back to the list."""
    form = await form_of(request)
    try:
        order = msgspec.convert(form, PurgeQuery, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal(422, str(error)) from None
    await request.app.state.client.purge_dead_letters(filter_of(order), retried=order.retried)
    return RedirectResponse("/dead-letters", status_code=303)


async def retry_letters(request: Request) -> Response:
    """Begins to process the samples of letters again, and goes to the tasks."""
    form = await form_of(request)
    origin = form.get("origin", "")
    try:
        order = msgspec.convert(
            {"stage": form.get("stage", ""), "error": form.get("error", ""), "origins": [origin] if origin else []},
            RetryOrder,
        )
    except msgspec.ValidationError as error:
        raise Refusal(422, str(error)) from None
    await begin_retry(request.app.state.client, request.app.state.tasks, order)
    return RedirectResponse("/tasks", status_code=303)
