"""Signing in with the dashboard's token, and out."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from iqstream.web.forms import form_of
from iqstream.web.markup import el
from iqstream.web.page import page
from iqstream.web.security import COOKIE, Access


async def sign_in_page(request: Request) -> Response:
    return _form(request, _inside(request.query_params.get("next", "/")), None)


async def sign_in(request: Request) -> Response:
    """Puts the token into a cookie that no script can read and no other site can send."""
    access: Access = request.app.state.access
    form = await form_of(request)
    target = _inside(form.get("next", "/"))
    if not access.is_token(form.get("token", "").strip()):
        return _form(request, target, "That is not the token.", status=401)
    response = RedirectResponse(target, status_code=303)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, access.token, httponly=True, samesite="strict", secure=secure, path="/")
    return response


async def sign_out(request: Request) -> Response:  # noqa: ARG001  # a handler's
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(COOKIE, path="/")
    return response


def _inside(target: str) -> str:
    """An address of ours; anything else is the first page."""
    return target if target.startswith("/") and not target.startswith(("//", "/\\")) else "/"


def _form(request: Request, target: str, problem: str | None, *, status: int = 200) -> Response:
    return page(
        request,
        "Sign in",
        el("p", "The token is in the file that `iqstream dashboard` names when it starts."),
        el("p", problem, class_="problem", role="alert") if problem else None,
        el(
            "form",
            el("input", type="hidden", name="next", value=target),
            el(
                "label",
                "Token",
                el("input", type="password", name="token", required=True, autocomplete="current-password"),
            ),
            el("button", "Sign in"),
            method="post",
            action="/sign-in",
        ),
        status=status,
    )
