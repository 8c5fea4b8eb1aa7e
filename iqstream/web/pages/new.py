"""The form of a new dataset, made from the spec's types: every plain field, validated where it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any
from uuid import uuid4

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from iqstream.runtime.errors import UserError
from iqstream.submit.quantity import parse_quantity, to_float, unit_of
from iqstream.web.forms import Field, fields_of, form_of, nested
from iqstream.web.markup import Markup, el
from iqstream.web.new_dataset import NewDataset
from iqstream.web.page import page
from iqstream.web.problems import Refusal

_KEY = "key"
_FIRST = ("name", "description", "samples", "frequency_hz", "seed", "iq_samples", "reuse_name")
_PLACE = re.compile(r" - at `\$\.([\w.]+)`$")


def _groups() -> list[tuple[str, list[Field]]]:
    fields = list(fields_of(NewDataset))
    own = sorted(
        (one for one in fields if "." not in one.name),
        key=lambda one: _FIRST.index(one.name) if one.name in _FIRST else len(_FIRST),
    )
    parts = groupby((one for one in fields if "." in one.name), key=lambda one: one.name.partition(".")[0])
    return [("dataset", own), *((part, list(of)) for part, of in parts)]


async def new_page(request: Request) -> Response:
    """Shows the form; fields may be given in the address."""
    return _form(request, dict(request.query_params), {})


async def submit_form(request: Request) -> Response:
    """Submits what the form says and goes to the dataset, or shows the form again with what is wrong."""
    form = await form_of(request)
    key = form.pop(_KEY, None) or None
    try:
        dataset, _ = await request.app.state.submissions.submit(_asked(form), key)
    except msgspec.ValidationError as error:
        return _form(request, form, _problems(str(error)), status=422)
    except (Refusal, UserError) as error:
        return _form(request, form, _problems(str(error)), status=422)
    return RedirectResponse(f"/datasets/{dataset.id}", status_code=303)


def _asked(form: Mapping[str, str]) -> Any:  # noqa: ANN401  # a NewDataset
    """Raises ValidationError where a field is wrong; names it."""
    numbers = {field.name for field in fields_of(NewDataset) if field.kind in {int, float}}
    plain = {name: _number(name, value) if name in numbers else value for name, value in form.items()}
    return msgspec.convert(nested(plain), NewDataset, strict=False)


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
    found = _PLACE.search(message)
    if found:
        return {found[1]: message[: found.start()]}
    missing = re.search(r"required field `(\w+)`", message)
    if missing:
        return {missing[1]: "This has to be given."}
    return {"name" if "name" in message.split(":", maxsplit=1)[0] else "": message}


def _form(request: Request, values: Mapping[str, str], problems: Mapping[str, str], *, status: int = 200) -> Response:
    groups = _groups()
    known = {field.name for _, fields in groups for field in fields}
    general = [message for name, message in problems.items() if name not in known]
    return page(
        request,
        "New dataset",
        el("p", general, class_="problem", role="alert") if general else None,
        el(
            "form",
            el("input", type="hidden", name=_KEY, value=str(uuid4())),
            [_group(name, fields, values, problems) for name, fields in groups],
            el(
                "p",
                "Receivers: the default network, seven in north-west Italy. Others: by the API, or ",
                el("code", "iqstream generate --receivers"),
                ".",
            ),
            el("button", "Submit"),
            method="post",
            action="/new",
        ),
        status=status,
    )  # fmt: skip


def _group(name: str, fields: list[Field], values: Mapping[str, str], problems: Mapping[str, str]) -> Markup:
    controls = [field.control(values.get(field.name), problems.get(field.name)) for field in fields]
    title = name.capitalize()
    if name in {"dataset", "limits"} or any(field.name in problems for field in fields):
        return el("fieldset", el("legend", title), controls)
    return el("details", el("summary", title), el("fieldset", el("legend", title), controls))
