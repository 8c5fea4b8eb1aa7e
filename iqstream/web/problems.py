"""Errors as answers: problem details (RFC 9457) for programs, the same words on a page for people."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from iqstream.runtime.errors import Conflict, Failed, IqstreamError, NotFound, Unreachable, UserError, WrongSettings
from iqstream.runtime.outages import NamelessOutage
from iqstream.web.documents import Problem

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Not understood",
    401: "Sign in first",
    403: "Not from here",
    404: "Not there",
    405: "Not allowed here",
    409: "Not possible now",
    413: "Too large",
    415: "Not understood",
    421: "Not this host",
    422: "Not valid",
    429: "Too many requests",
    500: "Our mistake",
    503: "Not reachable",
}


class Refusal(Exception):
    """A request that is answered with a problem."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.problem = Problem(title=TITLES[status], status=status, detail=detail)


def problem_of(error: Exception) -> Problem:
    """Returns the problem that an error is; what we did not foresee is told without its words."""
    match error:
        case Refusal():
            return error.problem
        case Unreachable() | WrongSettings():
            status = 503
        case NotFound():
            status = 404
        case Conflict() | Failed():
            status = 409
        case UserError():
            status = 422
        case _ if isinstance(error, NamelessOutage):
            told = f"a server went away in the middle ({type(error).__name__})"
            return Problem(title=TITLES[503], status=503, detail=told)
        case _:
            return Problem(title=TITLES[500], status=500, detail="The server's log tells what happened.")
    assert isinstance(error, IqstreamError)  # noqa: S101  # the cases above
    return Problem(title=TITLES[status], status=status, detail=str(error))


def problem_response(problem: Problem) -> Response:
    """Returns the answer to a program."""
    return Response(msgspec.json.encode(problem), status_code=problem.status, media_type=MEDIA_TYPE)


async def answer_error(request: Request, error: Exception) -> Response:
    """Answers an error: to a browser that wants a page with a page."""
    problem = problem_of(error)
    if request.url.path.startswith("/api/"):
        return problem_response(problem)
    from iqstream.web.page import problem_page

    return problem_page(problem)
