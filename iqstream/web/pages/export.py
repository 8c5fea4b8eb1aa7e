"""A dataset as files: how large they can become, the button and the commands that write them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from iqstream.client.asynchronous import AsyncClient
from iqstream.export.size import largest_bytes
from iqstream.web.exports import KEPT, ExportOrder, Exports, export_command
from iqstream.web.forms import form_of
from iqstream.web.markup import el, lines_of
from iqstream.web.operations import converted, parsed_query
from iqstream.web.page import page, size

_FORMATS = {"parquet": "Parquet", "npz": "NumPy, npz", "csv": "CSV"}


async def export_page(request: Request) -> Response:
    client: AsyncClient = request.app.state.client
    order: ExportOrder = parsed_query(request, ExportOrder)
    found = (await client.versions(request.path_params["dataset"], version=order.version)).dataset
    exports: Exports = request.app.state.exports
    samples = found.accepted + (found.rejected if order.include_rejected else 0)
    rows = samples * len(found.spec.receivers)
    at_most = "at most " if found.recorded or order.include_rejected else ""
    kinds = "samples" if order.include_rejected else "accepted samples"
    largest = {
        one: largest_bytes(found, one, include_rejected=order.include_rejected, truth=order.truth) for one in _FORMATS
    }
    options = [el("option", told, value=one, selected=one == order.format) for one, told in _FORMATS.items()]
    facts = [
        ("Rows", f"{at_most}{rows:,}: {samples:,} {kinds}, {len(found.spec.receivers)} receivers"),
        ("Room they may take", "; ".join(f"{told}: {size(largest[one])}" for one, told in _FORMATS.items())),
        ("Room here", size(exports.room_bytes())),
    ]
    elsewhere = [
        f"{export_command(found, order)}",
        f"iqstream datasets export {found.id} --version {found.version} --format huggingface",
        f"iqstream datasets export {found.id} --version {found.version} --iq --samples 0-9 --format sigmf",
    ]
    return page(
        request,
        f"Export {found.name}",
        el("p", el("a", "The dataset", href=f"/datasets/{found.id}?version={found.version}")),
        el(
            "p",
            "A row per sample and receiver, with splits, weights and units; a card that says what it is; time "
            "differences, where the dataset has them, in a file of their own. A task writes them; its files can be "
            f"downloaded until {KEPT} further exports are written, or the dashboard ends.",
        ),
        el("dl", [[el("dt", name), el("dd", value)] for name, value in facts]),
        el(
            "form",
            el("input", type="hidden", name="version", value=found.version),
            el("label", "Format", el("select", options, name="format")),
            _switch("include_rejected", "Rejected samples, too", checked=order.include_rejected),
            _switch("truth", "What was put in, too", checked=order.truth) if not found.recorded else None,
            el("button", "Write the files"),
            method="post",
            action=f"/datasets/{found.id}/export",
            class_="row",
        ),
        el("p", "Where the command runs, as large as the disk there; a folder for Hugging Face; the recordings:"),
        el("pre", lines_of("\n".join(elsewhere)), tabindex="0"),
    )


def _switch(name: str, label: str, *, checked: bool) -> str:
    return el(
        "label", el("span", el("input", type="checkbox", name=name, value="true", checked=checked), f" {label}")
    )  # fmt: skip


async def export_dataset(request: Request) -> Response:
    """Begins the export, and goes to the tasks."""
    order: ExportOrder = converted(await form_of(request), ExportOrder)
    await request.app.state.exports.begin(request.path_params["dataset"], order)
    return RedirectResponse("/tasks", status_code=303)
