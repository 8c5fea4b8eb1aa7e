"""What the HTTP API can be asked: the one table that its routes and its OpenAPI document are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import Response

from iqstream.client.asynchronous import AsyncClient
from iqstream.web.documents import NoQuery
from iqstream.web.problems import Refusal
from schemas.dataset import MAX_SAMPLES

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that was understood."""

    request: Request
    query: Any
    """Of the operation's `query` type."""
    body: Any
    """Of the operation's `body` type; None where it has none."""

    @property
    def state(self) -> State:
        """What the application keeps."""
        state: State = self.request.app.state
        return state

    @property
    def client(self) -> AsyncClient:
        """The front door."""
        client: AsyncClient = self.state.client
        return client

    @property
    def dataset(self) -> str:
        """The dataset that the path names."""
        return str(self.request.path_params["dataset"])

    @property
    def sample(self) -> int:
        """The sample that the path names."""
        return sample_of(self.request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A method on a path."""

    name: str
    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    """Below `/api/v1`; parameters as `{dataset}`, whole numbers as `{sample:int}`."""
    summary: str
    answer: Callable[[Asked], Awaitable[Any]]
    """Returns a value of `result`, or a response."""
    result: Any
    """The type of the answer; a string: its media type."""
    query: type[msgspec.Struct] = NoQuery
    body: Any = None
    status: int = 200
    headers: tuple[str, ...] = ()
    """That a request may bring."""
    problems: tuple[int, ...] = ()
    """Statuses of errors, beside those that every operation may have."""

    async def handle(self, request: Request) -> Response:
        """Answers a request."""
        asked = Asked(
            request=request,
            query=parsed_query(request, self.query),
            body=None if self.body is None else _parsed_body(request, await request.body(), self.body),
        )
        found = await self.answer(asked)
        return found if isinstance(found, Response) else json_response(found, status=self.status)


def sample_of(request: Request) -> int:
    """Returns the sample that the path of a request names.

    Raises:
        Refusal: no dataset has so many.
    """
    idx = int(request.path_params["sample"])
    if idx >= MAX_SAMPLES:
        raise Refusal(404, f"there is no sample {idx}: a dataset has {MAX_SAMPLES} at most")
    return idx


def json_response(document: object, *, status: int = 200) -> Response:
    """Returns a document as JSON."""
    return Response(
        msgspec.json.encode(document),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )


def parsed_query(request: Request, wanted: type[msgspec.Struct]) -> Any:  # noqa: ANN401  # of the wanted type
    """Returns the query of a request.

    Raises:
        Refusal: a parameter is not known, given twice, or out of its range; names it.
    """
    given = request.query_params
    names = [name for name, _ in given.multi_items()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refusal(422, f"{', '.join(twice)}: given more than once")
    return converted(given, wanted)


def converted(given: Mapping[str, str], wanted: type[msgspec.Struct]) -> Any:  # noqa: ANN401  # of the wanted type
    """Returns what a query or a form says; a field that is left empty is not given.

    Raises:
        Refusal: a field is not known or out of its range; names it.
    """
    present = {name: value for name, value in given.items() if value != ""}
    try:
        return msgspec.convert(present, wanted, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal(422, str(error)) from None


def _parsed_body(request: Request, body: bytes, wanted: Any) -> Any:  # noqa: ANN401  # of the wanted type
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Refusal(415, "the body has to be JSON, with Content-Type: application/json")
    try:
        return msgspec.json.decode(body, type=wanted)
    except msgspec.ValidationError as error:
        raise Refusal(422, str(error)) from None
    except msgspec.DecodeError as error:
        raise Refusal(400, f"the body is no JSON: {error}") from None
