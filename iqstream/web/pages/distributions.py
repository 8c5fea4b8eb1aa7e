"""How a dataset is distributed: its outcomes over distance, a feature's values by receiver."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from iqstream.client.asynchronous import AsyncClient
from iqstream.dataset_distributions import SAMPLES, Distribution
from iqstream.web.charts import histogram
from iqstream.web.documents import DistributionQuery
from iqstream.web.markup import Child, Markup, el
from iqstream.web.operations import parsed_query
from iqstream.web.page import page, table
from schemas import FEATURE_NAMES, FEATURE_TABLE, STATISTICS


async def distributions_page(request: Request) -> Response:
    client: AsyncClient = request.app.state.client
    query: DistributionQuery = parsed_query(request, DistributionQuery)
    found = (await client.samples(request.path_params["dataset"], version=query.version, limit=1)).dataset
    bands = await client.outcomes_by_distance(found.id, version=found.version)
    values = await client.distribution(found.id, query.feature, query.statistic, version=found.version)
    return page(
        request,
        f"{found.name}: distributions",
        el("p", el("a", "The dataset", href=f"/datasets/{found.id}?version={found.version}")),
        el("p", f"Of the first {SAMPLES:,} samples: samples are drawn independently of each other."),
        table(
            ["Nearest receiver", "Samples", "Accepted", "Rejected", "Failed", "Share accepted"],
            [
                [
                    f"{one.low_km:g} to {one.high_km:g} km", count, one.accepted, one.rejected, one.failed,
                    _share(one.accepted, count),
                ]
                for one in bands
                for count in [one.accepted + one.rejected + one.failed]
            ],
            caption="Outcomes by distance",
            empty="No sample is decided yet.",
        ),
        el("h2", "Features by receiver"),
        _choice(query),
        _charts(values),
    )  # fmt: skip


def _share(part: int, whole: int) -> Markup:
    told = f"{100 * part / whole:.0f} %" if whole else "–"
    return el("span", el("progress", max=max(1, whole), value=part, aria_label=f"{told} accepted"), f" {told}")


def _choice(query: DistributionQuery) -> Markup:
    def choice(label: str, name: str, values: tuple[str, ...], chosen: str) -> Markup:
        options = [el("option", one, value=one, selected=one == chosen) for one in values]
        return el("label", label, el("select", options, name=name))

    return el(
        "form",
        el("input", type="hidden", name="version", value=query.version or ""),
        choice("Feature", "feature", tuple(FEATURE_NAMES), query.feature),
        choice("Over the chunks", "statistic", tuple(STATISTICS), query.statistic),
        el("button", "Show"),
        method="get",
        class_="row",
    )


def _charts(values: Distribution) -> Child:
    if not values.receivers:
        return el("p", "No sample is accepted yet.", class_="empty")
    unit = FEATURE_TABLE[values.feature].unit_of(values.statistic)
    charts = []
    for one in values.receivers:
        told = (
            f"{one.rx_id}: median {one.spread.median:.4g} {unit}, 10 % below {one.spread.percentile_10:.4g}, "
            f"10 % above {one.spread.percentile_90:.4g}; bars from {values.low:.4g} to {values.high:.4g}"
        )
        charts.append(histogram(one.counts, told))
    return el("div", charts, class_="charts")
