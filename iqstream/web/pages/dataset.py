"""One dataset: how far it is, how its samples ended, where they stood, its settings, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from iqstream.catalogue.datasets import OPEN, Dataset
from iqstream.catalogue.measured import Link
from iqstream.catalogue.outcomes import SampleOutcome
from iqstream.client.asynchronous import AsyncClient
from iqstream.client.results import DatasetReport, DatasetVersions, SamplePage
from iqstream.dataset_figures import DatasetFigures
from iqstream.web.documents import SampleQuery
from iqstream.web.forms import form_of
from iqstream.web.map import dataset_map
from iqstream.web.markup import Child, Markup, el
from iqstream.web.operations import parsed_query
from iqstream.web.page import button, json_block, page, table
from iqstream.web.pages.datasets import progress
from iqstream.web.problems import Refusal
from iqstream.web.reports import Reports
from schemas.dataset import MAX_SAMPLES

REPORT_S, REFRESH_S = 0.4, 1.0
"""So long a page waits for what is counted over all samples; so often it asks for it then."""
VERDICTS = ("", "accepted", "rejected", "failed")


async def dataset_page(request: Request) -> Response:
    client: AsyncClient = request.app.state.client
    query: SampleQuery = parsed_query(request, SampleQuery)
    name = request.path_params["dataset"]
    standing = await client.versions(name, version=query.version)
    found = standing.dataset
    reports: Reports = request.app.state.reports
    report = await reports.within(found, REPORT_S)
    samples = await client.samples(
        found.id, version=found.version, outcome=query.outcome or None, after=query.after, limit=query.limit
    )
    accepted = [one.sample_idx for one in samples.samples if one.verdict == "accepted"]
    links = await client.links(found.id, accepted, version=found.version) if accepted else []
    return page(
        request,
        found.name,
        el("p", found.description) if found.description else None,
        el("p", id="rate") if found.status in OPEN else None,
        el("section", _standing(standing, report), id="standing", data_live=True),
        el("section", _outcomes(found, report), id="outcomes", data_live=True),
        el(
            "p",
            el(
                "a",
                "Distributions: outcomes by distance, features by receiver",
                href=f"/datasets/{found.id}/distributions?version={found.version}",
            ),
            ". ",
            el("a", "Error against truth", href=f"/datasets/{found.id}/accuracy?version={found.version}"),
        ),
        el("section", _actions(found)),
        el(
            "section",
            el("h2", "Samples"),
            _filter(found, query),
            _samples(samples, query, links),
            id="samples",
            data_live=True,
        ),
        el("details", el("summary", "Settings"), json_block(found.spec)),
        events=f"/api/v1/datasets/{found.id}/events?version={found.version}" if found.status in OPEN else None,
        refresh_s=REFRESH_S if report is None else None,
    )


def _standing(standing: DatasetVersions, report: DatasetReport | None) -> Child:
    found = standing.dataset
    facts: list[tuple[str, Child]] = [
        ("Status", found.status),
        ("Decided", progress(found)),
        ("Version", f"{found.version}: {standing.held}"),
        ("IQ kept", f"{found.iq_samples_saved} of at most {found.iq_samples} samples"),
        ("Id", el("code", found.id)),
        *([] if report is None else _figures(report.figures)),
    ]
    return el("dl", [[el("dt", name), el("dd", value)] for name, value in facts])


def _figures(figures: DatasetFigures) -> list[tuple[str, Child]]:
    snr, near = figures.mean_snr_db, figures.nearest_receiver_km
    return [
        ("Size of the IQ", f"{figures.iq_bytes / 1e6:.1f} MB"),
        ("Rows", f"{figures.rows_bytes / 1e6:.1f} MB"),
        (
            "Mean SNR",
            "–"
            if snr is None
            else f"{snr.mean:.1f} dB (10 % below {snr.percentile_10:.1f}, 10 % above {snr.percentile_90:.1f})",
        ),
        ("Nearest receiver", "–" if near is None else f"{near.median:.1f} km in the median"),
    ]


def _outcomes(found: Dataset, report: DatasetReport | None) -> Child:
    if report is None:
        return el("p", f"The outcomes of {found.decided:,} samples are being counted.", class_="empty")
    total = max(1, report.dataset.decided)
    why = table(
        ["Outcome", "Reason", "Samples", "Share"],
        [
            [one.outcome, one.reason or "–", one.samples, f"{100 * one.samples / total:.1f} %"]
            for one in report.outcomes
        ],
        caption="Outcomes by reason",
        empty="No sample is decided yet.",
    )
    if not report.failures:
        return why
    return why, table(
        ["Stage", "Error", "Samples", "Message"],
        [[one.stage, one.error, one.samples, one.message] for one in report.failures],
        caption="Failures",
        empty="",
    )


def _filter(found: Dataset, query: SampleQuery) -> Markup:
    return el(
        "p",
        "Show: ",
        [
            [el("a", one or "all", href=_address(found, outcome=one), aria_current=_chosen(one, query.outcome)), " "]
            for one in VERDICTS
        ],
    )  # fmt: skip


def _chosen(one: str, chosen: str) -> str | None:
    return "true" if one == chosen else None


def _address(found: Dataset, **query: object) -> str:
    return f"/datasets/{found.id}?" + urlencode({"version": found.version, **query})


def _samples(samples: SamplePage, query: SampleQuery, links: Sequence[Link]) -> Child:
    found = samples.dataset
    following = (
        el("a", "Next page", href=_address(found, outcome=query.outcome, after=samples.next_after, limit=query.limit))
        if samples.next_after is not None
        else None
    )
    back = el("a", "First page", href=_address(found, outcome=query.outcome)) if query.after >= 0 else None
    return (
        dataset_map(
            found, _marks(samples.samples), [(one.latitude, one.longitude, one.rx_id, one.snr_db) for one in links]
        ),
        table(
            ["Sample", "Outcome", "Reason", "Place", "Latitude", "Longitude", "Decided"],
            [_row(found, one) for one in samples.samples],
            caption=f"{len(samples.samples)} samples, by index",
            empty="No sample of this kind is decided yet.",
        ),
        el("p", back, " ", following, class_="paging"),
    )


def _marks(samples: Sequence[SampleOutcome]) -> list[tuple[float, float, str, str]]:
    return [
        (one.latitude, one.longitude, one.verdict, f"sample {one.sample_idx}: {one.verdict} {one.reason or ''}")
        for one in samples
        if one.latitude is not None and one.longitude is not None
    ]


def _row(found: Dataset, one: SampleOutcome) -> list[Child]:
    def degrees(value: float | None) -> str:
        return "–" if value is None else f"{value:.4f}"

    return [
        el("a", one.sample_idx, href=f"/datasets/{found.id}/samples/{one.sample_idx}?version={found.version}"),
        one.verdict,
        one.reason or "–",
        one.place,
        degrees(one.latitude),
        degrees(one.longitude),
        one.decided_at.strftime("%H:%M:%S"),
    ]


def _actions(found: Dataset) -> Child:
    here = f"/datasets/{found.id}"
    name = el("input", name="name", value=found.name, required=True, maxlength=200)
    describe = el("input", name="description", value=found.description, maxlength=2000)
    more = el("input", type="number", name="samples", min=found.requested + 1, value=2 * found.requested, required=True)
    return (
        el(
            "div",
            button(f"{here}/cancel", "Cancel", version=str(found.version)) if found.status in OPEN else None,
            button(f"{here}/resume", "Resume the submission") if found.status == "submitting" else None,
            button(f"{here}/end", "End its growth") if found.is_growing else None,
            el("a", "Process again…", href=f"{here}/replay"),
            el("a", "Export…", href=f"{here}/export?version={found.version}"),
            el("a", "New one like it…", href=f"/new?like={found.id}"),
            el("a", "Delete…", href=f"{here}/delete"),
            class_="actions",
        ),
        el(
            "details",
            el("summary", "Rename, describe, extend"),
            _row_form(
                f"{here}/change", el("label", "Name", name), el("label", "Description", describe), label="Change"
            ),
            _row_form(f"{here}/extend", el("label", "Samples in all", more), label="Extend"),
        ),
    )


def _row_form(action: str, *inputs: Child, label: str) -> Markup:
    return el("form", inputs, el("button", label), method="post", action=action, class_="row")


async def dataset_action(request: Request) -> Response:
    """Does what a button of a dataset's page says, and goes back to the page."""
    client: AsyncClient = request.app.state.client
    found = (await client.versions(request.path_params["dataset"])).dataset
    form = await form_of(request)
    match request.path_params["action"]:
        case "cancel":
            await client.cancel(found.id, version=_whole(form, "version"))
        case "resume":
            await client.resume(found.id)
        case "end":
            await client.end(found.id)
        case "extend":
            await client.extend(found.id, to=_whole(form, "samples"))
        case "change":
            if form.get("name", found.name) != found.name:
                await client.rename(found.id, form["name"])
            if form.get("description", found.description) != found.description:
                await client.describe(found.id, form["description"])
        case "delete":
            await client.delete(found.id)
            return RedirectResponse("/", status_code=303)
        case action:
            raise Refusal(404, f"there is nothing named {action!r} to do with a dataset")
    return RedirectResponse(f"/datasets/{found.id}", status_code=303)


def _whole(form: Mapping[str, str], name: str) -> int:
    given = form.get(name, "").strip()
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:12]) <= MAX_SAMPLES):
        raise Refusal(422, f"{name}: {given!r} is no whole number from 1 to {MAX_SAMPLES}")
    return int(given)


async def delete_page(request: Request) -> Response:
    """Asks before a dataset is deleted."""
    found = await request.app.state.client.plan_delete(request.path_params["dataset"])
    return page(
        request,
        f"Delete {found.name}?",
        el(
            "p", f"{found.decided} decided samples and the IQ of {found.iq_samples_saved} go for good, in all versions."
        ),
        button(f"/datasets/{found.id}/delete", "Delete it for good"),
        el("p", el("a", "Keep it", href=f"/datasets/{found.id}")),
    )
