"""Who answers at an address where another server was expected: then the setting is wrong, and no waiting helps.

Asked after a connection has failed, and only answered by what a server says of itself: one that is silent, closes the
connection or says that it is not ready may be the right one on its way up.
"""

import asyncio
import re
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum

ANSWER_TIMEOUT_S = 1.0
_SSL_REQUEST = struct.pack(">ii", 8, 80_877_103)
"""PostgreSQL's, https://www.postgresql.org/docs/current/protocol-message-formats.html: one byte comes back."""
_CORRELATION = 0x1F0E2D3C
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, _CORRELATION, -1)
"""Kafka's request for the versions it knows, https://kafka.apache.org/protocol: it may come before a login."""
_HTTP_REQUEST = b"GET / HTTP/1.0\r\n\r\n"
_HTTP_READY = re.compile(rb"HTTP/1\.[01] [1-4]")
"""Not 5xx: so says a proxy before a server that is away."""


class Server(StrEnum):
    """What an address can turn out to be."""

    POSTGRES = "PostgreSQL"
    KAFKA = "Kafka without TLS"
    HTTP = "an HTTP server without TLS"
    TLS = "a server that speaks TLS"


async def server_at(host: str, port: int) -> Server | None:
    """Returns what answers there, None where nothing tells. Takes `ANSWER_TIMEOUT_S` at most."""
    probes: tuple[tuple[Server, Callable[[str, int], Awaitable[bool]]], ...] = (
        (Server.POSTGRES, _is_postgres),
        (Server.KAFKA, _is_kafka),
        (Server.HTTP, _is_http),
        (Server.TLS, _is_tls),
    )
    answers = await asyncio.gather(*(_within_time(probe(host, port)) for _, probe in probes))
    return next((server for (server, _), answer in zip(probes, answers, strict=True) if answer), None)


async def _within_time(probe: Awaitable[bool]) -> bool:
    with suppress(OSError, TimeoutError, EOFError):  # an SSLError is an OSError
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await probe
    return False


async def _is_postgres(host: str, port: int) -> bool:
    return await _answer(host, port, _SSL_REQUEST, 1) in {b"S", b"N"}


async def _is_kafka(host: str, port: int) -> bool:
    answer = await _answer(host, port, _API_VERSIONS, 8)
    return len(answer) == 8 and struct.unpack(">i", answer[4:])[0] == _CORRELATION


async def _is_http(host: str, port: int) -> bool:
    return _HTTP_READY.match(await _answer(host, port, _HTTP_REQUEST, 10)) is not None


async def _is_tls(host: str, port: int) -> bool:
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE  # it is told nothing
    _, writer = await asyncio.open_connection(host, port, ssl=anybody, server_hostname=host)
    writer.transport.abort()
    return True


async def _answer(host: str, port: int, request: bytes, size: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        return await reader.readexactly(size)
    finally:
        writer.transport.abort()
