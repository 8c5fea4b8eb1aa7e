"""One sample: where it was sent and heard, its recordings as waterfalls, its 72 values per receiver, its lineage."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from iqstream.client.asynchronous import AsyncClient
from iqstream.client.results import SampleReport, SampleTruth
from iqstream.plot.truth import QUANTITIES, band_of, true_values
from iqstream.runtime.errors import IqstreamError, UserError
from iqstream.web.documents import WaterfallQuery
from iqstream.web.map import dataset_map
from iqstream.web.markup import Child, Markup, el
from iqstream.web.operations import parsed_query, sample_of
from iqstream.web.page import json_block, page, table
from iqstream.web.pages.path import path_section
from iqstream.web.problems import Refusal
from iqstream.web.recordings import Recordings
from schemas import FEATURE_NAMES, FEATURE_TABLE, STATISTICS, DatasetSpec, IQFrame
from schemas.recorded import why_not_compared

RECORDING_S = 5.0
"""So long a page waits for the recording that its truth comes from."""


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
    truth, why_not = await _truth(client, report)
    paths = truth.paths if truth is not None and marks else ()
    links = [(*marks[0][:2], one.rx_id, float(one.link["mean_snr_db"])) for one in paths]
    heard = await _heard(request, report, rx_id) if rx_id and report.row is not None else None
    return page(
        request,
        f"{found.name}: sample {outcome.sample_idx}",
        el("p", el("a", "All samples", href=back), f" – {outcome.outcome}{why}"),
        dataset_map(found, marks, links),
        _waterfall(report, query, rx_ids, rx_id) if rx_ids else el("p", "It has no recordings.", class_="empty"),
        path_section(truth, rx_id) if truth is not None else el("p", why_not, class_="empty"),
        _levels(report),
        _features(report, rx_id, heard),
        _pairs(report),
        el("details", el("summary", "Figures and lineage"), json_block(figures), json_block(outcome.lineage)),
        script="waterfall.js",
    )


async def _truth(client: AsyncClient, report: SampleReport) -> tuple[SampleTruth | None, str]:
    """What the generator put in, or in words why that is not known."""
    try:
        return await client.truth(report.dataset.id, report.outcome.sample_idx, version=report.dataset.version), ""
    except UserError as error:
        return None, f"The path is not known: {error}"


async def _heard(request: Request, report: SampleReport, rx_id: str) -> IQFrame | None:
    """The recording, which has the truth as it was realised; None where it cannot be had now."""
    recordings: Recordings = request.app.state.recordings
    try:
        async with asyncio.timeout(RECORDING_S):
            found = await recordings.of(report.dataset.id, report.dataset.version, report.outcome.sample_idx)
    except (IqstreamError, TimeoutError):
        return None
    return found.frames.get(rx_id)


def _waterfall(report: SampleReport, query: SampleView, rx_ids: list[str], rx_id: str) -> Markup:
    found = report.dataset
    here = f"/datasets/{found.id}/samples/{report.outcome.sample_idx}"
    whole = float(found.spec.duration_ms)
    start, stop = query.start_ms, whole if query.stop_ms is None else query.stop_ms
    length = stop - start
    band = {name: f"{edge:g}" for name in ("low_khz", "high_khz") if (edge := getattr(query, name)) is not None}

    def link(
        label: str, *, rx: str = rx_id, start_ms: float = start, stop_ms: float = stop, fft: int = query.fft
    ) -> Child:
        view = {"version": found.version, "rx": rx, "start_ms": f"{start_ms:g}", "stop_ms": f"{stop_ms:g}", "fft": fft}
        if (rx, start_ms, stop_ms, fft) == (rx_id, start, stop, query.fft):  # it is what is shown
            return el("strong", label), " "
        return el("a", label, href=f"{here}?{urlencode(view | band)}"), " "

    middle, quarter = (start + stop) / 2, length / 4
    view = {"version": found.version, "start_ms": f"{start:g}", "stop_ms": f"{stop:g}", "fft": query.fft} | band
    recording = f"/api/v1{here}/receivers/{rx_id}"
    picture = f"{recording}/waterfall.png?{urlencode(view)}"
    low_khz, high_khz, where = _band(report, query)
    told = f"{start:g} to {stop:g} ms{where}"
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
            el("a", "all", href=f"{here}?{urlencode({'version': found.version, 'rx': rx_id, 'fft': query.fft})}"),
        ),
        el("p", "Window: ", [link(f"{size} samples", fft=size) for size in (256, 512, 1024, 2048)]),
        el(
            "figure",
            el(
                "div",
                el("img", src=picture, alt=f"Waterfall of {rx_id}: {told}", class_="waterfall"),
                el("div", class_="chosen", hidden=True),
                class_="waterfall-box", data_start_ms=start, data_stop_ms=stop, data_low_khz=low_khz,
                data_high_khz=high_khz,
            ),
            el("figcaption", told, ". ", el("output", id="pointer"), " ", _downloads(recording, picture, view)),
        ),
        _cut(query, rx_id, start, stop, found.version),
    )  # fmt: skip


def _cut(query: SampleView, rx_id: str, start_ms: float, stop_ms: float, version: int) -> Markup:
    """The form that shows a part: filled in by hand, or by a pointer that is drawn over the picture."""

    def edge(label: str, name: str, value: float | None) -> Markup:
        shown = "" if value is None else f"{value:g}"
        return el("label", label, el("input", name=name, value=shown, inputmode="decimal", size=8))

    hidden: dict[str, str | int] = {"version": version, "rx": rx_id, "fft": query.fft}
    return el(
        "form",
        [el("input", type="hidden", name=name, value=value) for name, value in hidden.items()],
        edge("From, ms", "start_ms", start_ms),
        edge("To, ms", "stop_ms", stop_ms),
        edge("From, kHz", "low_khz", query.low_khz),
        edge("To, kHz", "high_khz", query.high_khz),
        el("button", "Show this part"),
        el("small", "Or draw a rectangle over the picture."),
        method="get",
        class_="row",
        id="cut",
    )


def _downloads(recording: str, picture: str, view: Mapping[str, object]) -> Child:
    part = urlencode({name: value for name, value in view.items() if name != "fft"})
    return [
        el("a", "PNG", href=picture, download=True),
        ", ",
        el("a", "this part as .npy", href=f"{recording}/iq.npy?{part}"),
        ", ",
        el("a", "this part as SigMF", href=f"{recording}/iq.sigmf?{part}"),
        ", ",
        el("a", "the recording as SigMF", href=f"{recording}/iq.sigmf?version={view['version']}"),
    ]


def _band(report: SampleReport, query: SampleView) -> tuple[float | None, float | None, str]:
    """What the waterfall shows of the spectrum: edges in kHz, and in words; nothing where only the frames say it."""
    spec = report.dataset.spec
    if isinstance(spec, DatasetSpec):
        rate_hz, centre_hz = spec.capture.sample_rate_hz, spec.frequency_hz
    elif report.row is not None:
        stored = report.row.columns["extraction_metadata"]
        rate_hz, centre_hz = stored["sample_rate_hz"], stored["center_frequency_hz"]
    else:
        return query.low_khz, query.high_khz, ""
    half_khz = rate_hz / 2000
    low = -half_khz if query.low_khz is None else max(query.low_khz, -half_khz)
    high = half_khz if query.high_khz is None else min(query.high_khz, half_khz)
    return low, high, f", {low:g} to {high:g} kHz around {centre_hz / 1e6:g} MHz"


def _levels(report: SampleReport) -> Child:
    """Says so where levels are no powers at the antenna."""
    stored = {} if report.row is None else report.row.columns["extraction_metadata"]
    if stored.get("level_reference") != "dbfs":
        return None
    return el(
        "p",
        "Receivers without a calibration: 0 dBm in the levels below is full scale (dBFS), no power at the antenna.",
    )


def _features(report: SampleReport, rx_id: str, heard: IQFrame | None) -> Child:
    if report.row is None:
        return el("p", "Only accepted samples have their features stored.", class_="empty")
    of = {one["rx_id"]: one for one in report.row.columns["receiver_features"]}
    if rx_id not in of:
        return None
    values, truths = of[rx_id], {} if heard is None else _truths(heard)
    return table(
        ["Feature", *STATISTICS, "Unit", "Truth", "Goal for the error (RMS)"],
        [
            [
                name,
                *(f"{values[name][statistic]:.6g}" for statistic in STATISTICS),
                FEATURE_TABLE[name].unit,
                *truths.get(name, ("–", "–")),
            ]
            for name in FEATURE_NAMES
            if name in values
        ],
        caption=f"Features at {rx_id}, beside what was put in",
        empty="It has no features.",
    )  # fmt: skip


def _pairs(report: SampleReport) -> Child:
    """The time differences that were found, the surest first."""
    if report.row is None or report.row.pairs is None:
        return None
    found = sorted(
        (one for one in report.row.pairs if one["found"]), key=lambda one: float(one["standard_deviation_us"])
    )
    stored = report.row.columns["extraction_metadata"].get("recordings", {})
    left_out = why_not_compared({rx_id: one["time_source"] for rx_id, one in stored.items()}) if stored else ""
    if not report.row.pairs and left_out:
        return el("p", f"No time differences: {left_out}.", class_="empty")
    return el("p", f"Not all receivers are compared: {left_out}.") if left_out else None, table(
        ["First receiver", "Second receiver", "Time difference, µs", "Standard deviation, µs", "Coherence"],
        [
            [
                one["receiver_a"],
                one["receiver_b"],
                f"{one['time_difference_us']:+.2f}",
                f"{one['standard_deviation_us']:.2f}",
                f"{one['coherence']:.2f}",
            ]
            for one in found
        ],
        caption=f"Time differences: {len(found)} of {len(report.row.pairs)} found; positive: later at the first",
        empty="No pair of receivers agrees on a time difference.",
    )


def _truths(frame: IQFrame) -> dict[str, tuple[str, str]]:
    """By feature the true mean over the chunks, and the goal for errors of it, in words."""
    if frame.truth is None or not frame.truth.link.snr_db:
        return {}
    true = true_values(frame.truth.link)
    goals = [quantity.goals[band_of(true[1])] for quantity in QUANTITIES]
    return {
        quantity.feature: (f"{value:.6g}", "–" if goal is None else f"{goal:g} {quantity.unit}")
        for quantity, value, goal in zip(QUANTITIES, true, goals, strict=True)
    }
