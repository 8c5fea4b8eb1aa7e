"""Who may ask: checked before any handler sees a request.

A page of another site reaches a server on loopback, too, by a name of its own that it lets point there (DNS rebinding)
or by a form that it posts. So the Host has to be one of ours, what changes something needs the token, and a browser
that carries it in the cookie has to say that the request comes from our own page.
"""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from iqstream.web.problems import Refusal, answer_error

COOKIE = "iqstream_token"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
READING = frozenset({"GET", "HEAD"})
MAX_BODY_BYTES = 256 * 1024
CHANGES_PER_S, CHANGES_AT_ONCE = 5.0, 20
"""Of all clients together: what changes something, and attempts to sign in."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
HEALTH = "/healthz"
"""200 while the server turns: what a container's probe asks."""
_OPEN = ("/sign-in", "/static/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who is let in."""

    token: str
    """Of whoever changes something; beyond loopback, of whoever looks, too."""
    hosts: frozenset[str] = LOOPBACK_NAMES
    """Names that a request may ask for."""
    reading_needs_token: bool = False

    def knows(self, request: Request) -> bool:
        """Whether a request brings the token."""
        return self.is_token(_bearer(request)) or self.is_token(request.cookies.get(COOKIE))

    def is_token(self, given: str | None) -> bool:
        """Whether this is the token; takes the same time whatever is given."""
        return given is not None and hmac.compare_digest(given.encode(), self.token.encode())


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach a server that listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """The check, around an application."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._changes = _Allowance(CHANGES_PER_S, CHANGES_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers what is refused, and hands on everything else."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        request = Request(scope, receive)
        if request.url.path == HEALTH:  # whoever asks it has no token and names whatever host it likes
            await PlainTextResponse("It serves.\n")(scope, receive, send)
            return
        try:
            self._check(request)
            body = await _body(request) if request.method not in READING else b""
        except Refusal as refusal:
            await (await answer_error(request, refusal))(scope, receive, send_with_headers)
            return
        await self._app(scope, receive if request.method in READING else _again(body, receive), send_with_headers)

    def _check(self, request: Request) -> None:
        access, path = self._access, request.url.path
        if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
            raise Refusal(400, "the address holds a NUL, which no name has")
        host = _name_of(request.headers.get("host", ""))
        if host not in access.hosts:
            raise Refusal(421, f"this server does not answer for {host!r}: start it with --allow-host {host}")
        if request.method in READING:
            if access.reading_needs_token and not path.startswith(_OPEN) and not access.knows(request):
                raise Refusal(401, "sign in with the dashboard's token to look at anything here")
            return
        if not self._changes.take():
            raise Refusal(429, "too many changes at once: try again in a few seconds")
        if path == "/sign-in":
            _require_own_page(request)
            return
        if access.is_token(_bearer(request)):
            return
        if not access.knows(request):
            raise Refusal(401, "this changes something: sign in with the dashboard's token first")
        _require_own_page(request)


def _require_own_page(request: Request) -> None:
    """Raises Refusal unless the browser says that our own page sends the request."""
    origin = request.headers.get("origin")
    if origin is None or urlsplit(origin).netloc != request.headers.get("host"):
        raise Refusal(403, "this request does not come from the dashboard's own page: open it, and try there")


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _name_of(host: str) -> str:
    """The name in a Host header, without the port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise Refusal(413, f"a request has {MAX_BODY_BYTES} bytes at most")
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, for the handler."""
    pending = [body]

    async def again() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return again


class _Allowance:
    """So many at once, and so many a second."""

    def __init__(self, per_s: float, at_once: int) -> None:
        self._per_s, self._most = per_s, at_once
        self._left, self._at = float(at_once), time.monotonic()

    def take(self) -> bool:
        """Whether there is one left."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def allowed_hosts(host: str, more: Iterable[str]) -> frozenset[str]:
    """Returns the names that requests may ask for, of a server that listens on `host`."""
    own = LOOPBACK_NAMES if is_loopback(host) else frozenset[str]()
    return own | {name.lower() for name in more} | ({host.lower()} if host not in {"0.0.0.0", "::"} else set())  # noqa: S104  # every address is no name
