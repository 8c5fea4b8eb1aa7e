"""Dead letters: what could not be processed, why, and trying it again."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from iqstream.client.asynchronous import AsyncClient
from iqstream.dead_letters.letter import DeadLetterFilter
from iqstream.web.documents import LetterQuery
from iqstream.web.markup import el
from iqstream.web.operations import parsed_query
from iqstream.web.page import page, table

SHOWN_BYTES = 1024


async def letters_page(request: Request) -> Response:
    query: LetterQuery = parsed_query(request, LetterQuery)
    client: AsyncClient = request.app.state.client
    listing = await client.dead_letters(DeadLetterFilter(stage=query.stage or None, error=query.error or None))
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
        el("p", "After a fix, ", el("code", "iqstream dead-letters retry --execute"), " processes their samples anew."),
    )  # fmt: skip


def _address(**query: object) -> str:
    return "/dead-letters?" + urlencode(query)


async def letter_page(request: Request) -> Response:
    """Shows one letter with its headers and first bytes."""
    report = await request.app.state.client.dead_letter(request.path_params["origin"])
    letter = report.letter
    facts = [
        ("Stage", letter.stage),
        ("Error", letter.error),
        ("Message", letter.message),
        ("Kept", letter.kept_at.isoformat(timespec="seconds")),
        ("Bytes", len(letter.value)),
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
        el("h2", f"First {min(SHOWN_BYTES, len(letter.value))} bytes"),
        el("pre", letter.value[:SHOWN_BYTES].hex(" "), tabindex="0"),
    )
