"""The form of a new dataset, made from the spec's types: every plain field, validated where it stands."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, get_type_hints
from uuid import uuid4

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from iqstream.catalogue.datasets import generated_spec
from iqstream.runtime.errors import UserError
from iqstream.submit.quantity import dbm, parse_quantity, to_float, unit_of
from iqstream.submit.receivers_file import EXAMPLE, OPTIONAL, REQUIRED, parse_receivers
from iqstream.submit.spec import PRESETS, make_spec, preset
from iqstream.submit.spec_fields import documentation
from iqstream.web.command import command_line
from iqstream.web.estimates import EstimateDocument, estimate_document
from iqstream.web.forms import Field, fields_of, form_of, nested, shown_value
from iqstream.web.map import receivers_map
from iqstream.web.markup import Child, Markup, el, lines_of
from iqstream.web.new_dataset import NewDataset
from iqstream.web.page import duration, page, size
from iqstream.web.problems import Refusal
from schemas import DatasetSpec, Receiver, Scenario
from schemas.dataset import ITALY_NORTH_WEST, MAX_RECEIVERS
from schemas.terrain import TerrainTile

_KEY, _RECEIVERS, _TILES = "key", "receivers", "terrain.tiles"
FIELDS = tuple(
    fields_of(
        NewDataset,
        meanings=documentation(DatasetSpec)
        | {"description": "What it is for.", "reuse_name": "Whether a name that another dataset has is allowed."},
    )
)
"""Of the form, but for the lists: receivers and tiles."""
_MARGIN = get_type_hints(Scenario, include_extras=True)["margin_deg"]
"""With its bounds."""
_TILE = "N45E007 1f0c…, 64 hexadecimal digits"
_NO_ESTIMATE = "How many samples will be accepted, how long it takes and what it occupies."
_FIRST = ("name", "description", "samples", "frequency_hz", "seed", "iq_samples", "reuse_name")
_PLACE = re.compile(r" - at `\$\.([\w.]+)[^`]*`$")
_NAMED = re.compile(r"([\w.]+(?:, [\w.]+)*): ")


def _groups() -> list[tuple[str, list[Field]]]:
    fields = FIELDS
    own = sorted(
        (one for one in fields if "." not in one.name),
        key=lambda one: _FIRST.index(one.name) if one.name in _FIRST else len(_FIRST),
    )
    parts = groupby((one for one in fields if "." in one.name), key=lambda one: one.name.partition(".")[0])
    return [("dataset", own), *((part, list(of)) for part, of in parts)]


async def new_page(request: Request) -> Response:
    """Shows the form; fields may be given in the address, and a preset or a dataset to begin with."""
    given = dict(request.query_params)
    preset_name, like = given.pop("preset", ""), given.pop("like", "")
    if preset_name:
        given = values_of(make_spec(preset(preset_name))) | given
    elif like:
        found = (await request.app.state.client.versions(like)).dataset
        given = values_of(generated_spec(found)) | {"name": "", "description": found.description} | given
    return _form(request, given, {})


def values_of(spec: DatasetSpec) -> dict[str, str]:
    """Returns the fields of a form that say a spec; without its seed, so that other samples are drawn."""
    found = {}
    for field in fields_of(DatasetSpec):
        value = spec
        for name in field.name.split("."):
            value = getattr(value, name)
        found[field.name] = shown_value(value)
    if spec.receivers != ITALY_NORTH_WEST:
        found[_RECEIVERS] = receivers_text(spec.receivers)
    if spec.terrain.tiles:
        found[_TILES] = tiles_text(spec.terrain.tiles)
    return {name: value for name, value in found.items() if name not in {"dataset_id", "generator_version", "seed"}}


async def submit_form(request: Request) -> Response:
    """Submits what the form says and goes to the dataset, or shows the form again with what is wrong."""
    form = await form_of(request)
    key = form.pop(_KEY, None) or None
    try:
        asked = _asked(await _with_tiles(request, form))
        dataset, _ = await request.app.state.submissions.submit(asked, key)
    except (msgspec.ValidationError, Refusal, UserError) as error:
        return _form(request, form, _problems(str(error)), status=422)
    return RedirectResponse(f"/datasets/{dataset.id}", status_code=303)


async def estimate_form(request: Request) -> Response:
    """Shows the form again with what the dataset will cost and give, and the command that submits it."""
    form = await form_of(request)
    form.pop(_KEY, None)
    try:
        whole = await _with_tiles(request, form)
        asked = _asked(whole)
        estimate = await request.app.state.estimates.of(asked)
    except (msgspec.ValidationError, Refusal, UserError) as error:
        return _form(request, form, _problems(str(error)), status=422)
    return _form(request, form, {}, estimate=_estimate(estimate_document(estimate), whole, asked.scenario))


def _estimate(estimate: EstimateDocument, form: Mapping[str, str], scenario: Scenario) -> Child:
    accepted = (
        "not known: the terrain's tiles are not here"
        if estimate.accepted is None
        else f"{estimate.accepted:,} of {estimate.samples:,}; in 95 % of cases {estimate.accepted_low:,} to "
        f"{estimate.accepted_high:,} (from {estimate.budgets} link budgets)"
    )
    took = "not known: no such samples were made here yet" if estimate.seconds is None else duration(estimate.seconds)
    low, high = scenario.eirp_min_w, scenario.eirp_max_w
    facts = [
        ("EIRP", f"{low:g} to {high:g} W, which is {dbm(low):.1f} to {dbm(high):.1f} dBm"),
        ("Accepted", accepted),
        ("Time", took),
        ("Kafka, at most", size(estimate.frames_bytes)),
        ("Kept IQ, at most", size(estimate.iq_bytes)),
        ("PostgreSQL, about", size(estimate.rows_bytes)),
    ]
    lists = {name: msgspec.to_builtins(parts) for name, parts in _lists(form).items()}
    return (
        el("dl", [[el("dt", name), el("dd", value)] for name, value in facts]),
        el("p", "As a command line:"),
        el("pre", command_line(FIELDS, form, lists), tabindex="0"),
    )


def _given(form: Mapping[str, str], name: str) -> str:
    return form.get(name, "").strip()


async def _with_tiles(request: Request, form: dict[str, str]) -> dict[str, str]:
    """The form; where its ground is tiles and none are named, with those of this server around the receivers.

    Raises:
        ValidationError: the network or the margin is none, or the server has no tiles there.
    """
    if _given(form, "terrain.source") != "tiles" or _given(form, _TILES):
        return form
    network = _network(form) if _given(form, _RECEIVERS) else ITALY_NORTH_WEST
    margin_deg = _margin_deg(form)
    try:
        terrain = await request.app.state.estimates.terrain(network, margin_deg)
    except UserError as error:
        raise msgspec.ValidationError(f"{error} - at `$.{_TILES}`") from None
    return form | {_TILES: tiles_text(terrain.tiles)}


def _lists(form: Mapping[str, str]) -> dict[str, Sequence[Receiver] | Sequence[TerrainTile]]:
    """The fields of several parts that a form gives. Raises ValidationError where a text is none."""
    found: dict[str, Sequence[Receiver] | Sequence[TerrainTile]] = {}
    if _given(form, _RECEIVERS):
        found[_RECEIVERS] = _network(form)
    if _given(form, _TILES):
        found[_TILES] = _tiles(form[_TILES])
    return found


def _asked(form: Mapping[str, str]) -> Any:  # noqa: ANN401  # a NewDataset
    """Raises ValidationError where a field is wrong; names it."""
    numbers = {field.name for field in FIELDS if field.kind in {int, float}}
    plain = {
        name: _number(name, value) if name in numbers else value
        for name, value in form.items()
        if name not in {_RECEIVERS, _TILES}
    }
    asked = nested(plain)
    for name, parts in _lists(form).items():
        part, _, field = name.rpartition(".")
        (asked.setdefault(part, {}) if part else asked)[field] = msgspec.to_builtins(parts)
    return msgspec.convert(asked, NewDataset, strict=False)


def _network(form: Mapping[str, str]) -> tuple[Receiver, ...]:
    """Raises ValidationError where the text is no network."""
    try:
        return parse_receivers(form[_RECEIVERS], "receivers")
    except UserError as error:
        raise msgspec.ValidationError(f"{error} - at `$.{_RECEIVERS}`") from None


def _margin_deg(form: Mapping[str, str]) -> float:
    """Raises ValidationError where the text is no margin."""
    name = "scenario.margin_deg"
    text = _given(form, name)
    if not text:
        return Scenario().margin_deg
    number = _number(name, text)
    try:
        return float(msgspec.convert(number, _MARGIN, strict=False))
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(f"{error} - at `$.{name}`") from None


def _tiles(text: str) -> tuple[TerrainTile, ...]:
    """Raises ValidationError where a line is no tile; names the line."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            name, sha256 = words
            found.append(msgspec.convert({"name": name, "sha256": sha256}, TerrainTile))
        except ValueError:
            raise msgspec.ValidationError(
                f"line {number}: {line.strip()[:100]!r} is no tile: write its name and its sha256, as {_TILE}"
                f" - at `$.{_TILES}`"
            ) from None
    return tuple(found)


def tiles_text(tiles: Sequence[TerrainTile]) -> str:
    """Returns tiles as lines of name and digest."""
    return "\n".join(f"{one.name} {one.sha256}" for one in tiles)


def receivers_text(receivers: Sequence[Receiver]) -> str:
    """Returns a network as CSV."""
    names = (*REQUIRED, *OPTIONAL)
    lines = [",".join(shown_value(getattr(one, name)) for name in names) for one in receivers]
    return "\n".join([",".join(names), *lines])


def _number(name: str, text: str) -> str:
    """A number without its unit: `144 MHz` in Hz."""
    if not text.strip():
        return ""
    try:
        number = parse_quantity(text, unit_of(name))
    except ValueError as error:
        raise msgspec.ValidationError(f"{error} - at `$.{name}`") from None
    return str(number.numerator) if number.denominator == 1 else repr(to_float(number))


def _problems(message: str) -> dict[str, str]:
    """What is wrong, by field; of the whole, by no name."""
    missing = re.search(r"required field `(\w+)`", message)
    if missing:
        return {missing[1]: "This has to be given."}
    found = _PLACE.search(message)
    place, told = (found[1], message[: found.start()]) if found else ("", message)
    named = _NAMED.match(told)
    within = [f"{place}.{name}" if place else name for name in named[1].split(", ")] if named else []
    known = {field.name for field in FIELDS} | {_RECEIVERS, _TILES}
    at = next((name for name in (place, *within) if name in known), None)
    if at is None:
        at = "name" if "name" in told.split(":", maxsplit=1)[0] else ""
    return {at: told}


def _form(
    request: Request,
    values: Mapping[str, str],
    problems: Mapping[str, str],
    *,
    estimate: Child = None,
    status: int = 200,
) -> Response:
    groups = _groups()
    general = [message for name, message in problems.items() if not name]
    begin = [[el("a", name, href=f"/new?preset={name}"), " "] for name in PRESETS]
    return page(
        request,
        "New dataset",
        el("p", general, class_="problem", role="alert") if general else None,
        el("p", "Begin with: ", begin),
        el(
            "form",
            el("input", type="hidden", name=_KEY, value=str(uuid4())),
            [_group(name, fields, values, problems) for name, fields in groups],
            _receivers(values, problems.get(_RECEIVERS)),
            el("section", el("h2", "Estimate"), estimate or el("p", _NO_ESTIMATE, class_="empty"), id="estimate"),
            el("button", "Submit"),
            " ",
            el("button", "Estimate", formaction="/new/estimate"),
            method="post",
            action="/new",
            data_estimate="/new/estimate",
        ),
        status=status,
    )  # fmt: skip


def _receivers(values: Mapping[str, str], problem: str | None) -> Markup:
    try:
        network = _network(values) if _given(values, _RECEIVERS) else ITALY_NORTH_WEST
    except msgspec.ValidationError:
        network = ITALY_NORTH_WEST
    margin_deg = Scenario().margin_deg
    with contextlib.suppress(msgspec.ValidationError):
        margin_deg = _margin_deg(values)
    told = "CSV; empty: the default network, seven in north-west Italy"
    return el(
        "details",
        el("summary", "Receivers"),
        _area(_RECEIVERS, told, EXAMPLE, values, problem),
        receivers_map(network, [], margin_deg=margin_deg) if len(network) <= MAX_RECEIVERS else None,
        open=bool(problem) or bool(_given(values, _RECEIVERS)),
    )


def _area(name: str, label: str, example: str, values: Mapping[str, str], problem: str | None) -> Markup:
    told = el("span", problem, class_="problem", id=f"{name}-problem") if problem else None
    text = el(
        "textarea", lines_of(values.get(name, "")),
        name=name, rows=4, placeholder=example, spellcheck="false",
        aria_invalid="true" if problem else None, aria_describedby=f"{name}-problem" if problem else None,
        autofocus=bool(problem),
    )  # fmt: skip
    return el("label", label, text, told, class_="wide")


def _group(name: str, fields: list[Field], values: Mapping[str, str], problems: Mapping[str, str]) -> Markup:
    controls = [field.control(values.get(field.name), problems.get(field.name)) for field in fields]
    names = {field.name for field in fields}
    if name == "terrain":
        told = "Tiles: where the source is tiles, a name and a digest a line; empty: those of this server"
        controls.append(_area(_TILES, told, _TILE, values, problems.get(_TILES)))
        names.add(_TILES)
    title = name.capitalize()
    if name in {"dataset", "limits"} or names & problems.keys():
        return el("fieldset", el("legend", title), controls)
    changed = [one.label for one in fields if values.get(one.name, one.shown_default) != one.shown_default]
    told = f"{title}: {', '.join(changed)}" if changed else title
    return el("details", el("summary", told), el("fieldset", el("legend", title), controls))
