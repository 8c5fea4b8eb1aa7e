"""Dead letters: what could not be processed, why, and trying it again."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from iqstream.client.asynchronous import AsyncClient
from iqstream.web.api_again import begin_retry, filter_of
from iqstream.web.documents import SHOWN_BYTES, LetterQuery, RetryOrder
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
    more = {"stage": query.stage, "error": query.error, "limit": query.limit, "offset": following}
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
