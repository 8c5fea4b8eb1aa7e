"""One sample: where it was sent and heard, its recordings as waterfalls, its 72 values per receiver, its lineage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from iqstream.client.asynchronous import AsyncClient
from iqstream.client.results import SampleReport
from iqstream.web.documents import WaterfallQuery
from iqstream.web.map import receivers_map
from iqstream.web.markup import Child, Markup, el
from iqstream.web.operations import parsed_query, sample_of
from iqstream.web.page import page, table
from iqstream.web.problems import Refusal
from schemas import FEATURE_NAMES, STATISTICS


class SampleView(WaterfallQuery, frozen=True, kw_only=True):
    """What of a sample is shown."""

    rx: str = ""
    """The receiver; if not given, the first."""


async def sample_page(request: Request) -> Response:
    client: AsyncClient = request.app.state.client
    query: SampleView = parsed_query(request, SampleView)
    report = await client.sample(request.path_params["dataset"], sample_of(request), version=query.version)
    found, outcome = report.dataset, report.outcome
    why = f" ({outcome.reason})" if outcome.reason else ""
    rx_ids = sorted(outcome.lineage) if outcome.outcome != "failed" else []
    rx_id = query.rx or (rx_ids[0] if rx_ids else "")
    if rx_id and rx_id not in rx_ids:
        raise Refusal(404, f"there is no recording of receiver {rx_id!r}: there are {', '.join(rx_ids)}")
    back = f"/datasets/{found.id}?version={found.version}"
    figures = outcome.figures
    latitude, longitude = figures.get("tx_latitude"), figures.get("tx_longitude")
    marks = []
    if latitude is not None and longitude is not None:
        marks = [(latitude, longitude, outcome.outcome, "transmitter")]
    return page(
        request,
        f"{found.name}: sample {outcome.sample_idx}",
        el("p", el("a", "All samples", href=back), f" – {outcome.outcome}{why}"),
        receivers_map(found.spec.receivers, marks),
        _waterfall(report, query, rx_ids, rx_id) if rx_ids else el("p", "It has no recordings.", class_="empty"),
        _features(report, rx_id),
        el("details", el("summary", "Figures and lineage"), _plain(outcome.figures), _plain(outcome.lineage)),
    )


def _waterfall(report: SampleReport, query: SampleView, rx_ids: list[str], rx_id: str) -> Markup:
    found = report.dataset
    here = f"/datasets/{found.id}/samples/{report.outcome.sample_idx}"
    whole = float(found.spec.capture.capture_ms)
    start, stop = query.start_ms, whole if query.stop_ms is None else query.stop_ms
    length = stop - start

    def link(
        label: str, *, rx: str = rx_id, start_ms: float = start, stop_ms: float = stop, fft: int = query.fft
    ) -> Child:
        view = {"version": found.version, "rx": rx, "start_ms": f"{start_ms:g}", "stop_ms": f"{stop_ms:g}", "fft": fft}
        if (rx, start_ms, stop_ms, fft) == (rx_id, start, stop, query.fft):  # it is what is shown
            return el("strong", label), " "
        return el("a", label, href=f"{here}?{urlencode(view)}"), " "

    middle, quarter = (start + stop) / 2, length / 4
    view = {"version": found.version, "start_ms": f"{start:g}", "stop_ms": f"{stop:g}", "fft": query.fft}
    half_khz = found.spec.capture.sample_rate_hz / 2000
    picture = f"/api/v1{here}/receivers/{rx_id}/waterfall.png?{urlencode(view)}"
    told = f"{start:g} to {stop:g} ms, {-half_khz:g} to {half_khz:g} kHz around {found.spec.frequency_hz / 1e6:g} MHz"
    return el(
        "section",
        el("h2", f"Waterfall at {rx_id}"),
        el("p", "Receiver: ", [link(one, rx=one) for one in rx_ids]),
        el(
            "p",
            "Time: ",
            link("zoom in", start_ms=middle - quarter, stop_ms=middle + quarter),
            link("zoom out", start_ms=max(0.0, middle - length), stop_ms=min(whole, middle + length)),
            link("earlier", start_ms=max(0.0, start - length / 2), stop_ms=max(length, stop - length / 2)),
            link("later", start_ms=min(whole - length, start + length / 2), stop_ms=min(whole, stop + length / 2)),
            link("all", start_ms=0.0, stop_ms=whole),
        ),
        el("p", "Window: ", [link(f"{size} samples", fft=size) for size in (256, 512, 1024, 2048)]),
        el(
            "figure",
            el("img", src=picture, alt=f"Waterfall of {rx_id}: {told}", class_="waterfall", loading="lazy"),
            el("figcaption", told, ". ", el("a", "PNG", href=picture, download=True)),
        ),
    )


def _features(report: SampleReport, rx_id: str) -> Child:
    if report.row is None:
        return el("p", "Only accepted samples have their features stored.", class_="empty")
    of = {one["rx_id"]: one for one in report.row.columns["receiver_features"]}
    if rx_id not in of:
        return None
    values = of[rx_id]
    return table(
        ["Feature", *STATISTICS],
        [
            [name, *(f"{values[name][statistic]:.6g}" for statistic in STATISTICS)]
            for name in FEATURE_NAMES
            if name in values
        ],
        caption=f"Features at {rx_id}",
        empty="It has no features.",
    )  # fmt: skip


def _plain(value: Mapping[str, Any]) -> Markup:
    lines = msgspec.json.format(msgspec.json.encode(value), indent=2).decode().split("\n")
    return el("pre", Markup("\n".join(el("span", line) for line in lines)), tabindex="0")
