"""Who answers where another server was expected: told by what it says, never guessed from silence."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from iqstream.runtime import other_server
from iqstream.runtime.other_server import Server, server_at


@asynccontextmanager
async def answering(answer):
    """A port of a server that gives this answer to whatever comes, and its address."""

    async def serve(reader, writer):
        await reader.read(1)
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b"N", Server.POSTGRES),
        (b"S", Server.POSTGRES),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Server.HTTP),
        (b"HTTP/1.0 200 OK\r\n\r\n", Server.HTTP),
        (b"HTTP/1.1 503 no healthy upstream\r\n\r\n", None),
        (b"\0\0\0\x0a\x1f\x0e\x2d\x3c\0\0\0\0\0\0", Server.KAFKA),
        (b"\0\0\0\x0a\0\0\0\x07\0\0", None),
        (b"-ERR unknown command\r\n", None),
        (b"", None),
        (b"\x15\x03\x01\0\x02\x02\x46", None),
    ],
)
async def test_a_server_is_known_by_what_it_says(answer, found):
    async with answering(answer) as (host, port):
        assert await server_at(host, port) == found


async def test_a_silent_server_and_a_closed_port_are_nobody(monkeypatch):
    monkeypatch.setattr(other_server, "ANSWER_TIMEOUT_S", 0.1)
    closing = asyncio.Event()

    async def say_nothing(_reader, writer):
        await closing.wait()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        assert await server_at(host, port) is None
        closing.set()
    assert await server_at(host, port) is None
    assert await server_at("a-host-that-is-nowhere.invalid", 1) is None
