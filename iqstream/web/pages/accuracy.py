"""How far a dataset's features are from what was put in, by SNR."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from iqstream.client.asynchronous import AsyncClient
from iqstream.plot.truth import QuantityAccuracy
from iqstream.web.documents import VersionQuery
from iqstream.web.markup import Child, el
from iqstream.web.operations import parsed_query
from iqstream.web.page import page, table


async def accuracy_page(request: Request) -> Response:
    client: AsyncClient = request.app.state.client
    query: VersionQuery = parsed_query(request, VersionQuery)
    found = (await client.versions(request.path_params["dataset"], version=query.version)).dataset
    async with request.app.state.reading:
        rows = await client.accuracy(found.id, version=found.version)
    return page(
        request,
        f"{found.name}: error against truth",
        el("p", el("a", "The dataset", href=f"/datasets/{found.id}?version={found.version}")),
        el(
            "p",
            "The mean of a feature over a recording, less what was put in; of 2,000 recordings at most, by their SNR "
            "in the full bandwidth.",
        ),
        table(
            ["Feature", "SNR, dB", "Recordings", "Bias", "RMS error", "Goal", "Unit", "Goal met"],
            [_row(one) for one in rows],
            caption="Error against truth",
            empty="There is nothing to compare: no recording is measured yet, real recordings have no truth, or Kafka "
            "keeps none of the records any more.",
        ),
    )


def _row(one: QuantityAccuracy) -> list[Child]:
    cell = one.accuracy
    met = (
        "–"
        if cell.met is None
        else el("span", "yes" if cell.met else "not yet", class_="met" if cell.met else "problem")
    )
    return [
        one.quantity.long_name,
        one.band.label,
        cell.recordings,
        f"{cell.bias:+.3g}",
        f"{cell.rms:.3g}",
        "–" if cell.goal is None else f"{cell.goal:.3g}",
        one.quantity.unit,
        met,
    ]
