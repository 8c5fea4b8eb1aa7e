"""A TCP proxy between stages and a server, which can be slow, silent, or not there."""

import asyncio
import contextlib

from iqstream.embedded.ports import LOOPBACK

_CHUNK_BYTES = 256 * 1024


class Proxy:
    """Forwards connections to a local port. It begins open and without delay."""

    def __init__(self, port: int) -> None:
        self.port = port
        """Where clients connect."""
        self.target_port = 0
        """Where to; may be changed for connections to come."""
        self.delay_s = 0.0
        """Added to every chunk of up to 256 KiB, in both directions."""
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pairs: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Takes connections."""
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, LOOPBACK, self.port, limit=_CHUNK_BYTES)

    async def refuse(self) -> None:
        """Breaks all connections and refuses new ones, until `open`."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        for pair in list(self._pairs):
            pair.cancel()
        await asyncio.gather(*self._pairs, return_exceptions=True)

    def silence(self) -> None:
        """Keeps connections but forwards nothing, until `flow`."""
        self._flowing.clear()

    def flow(self) -> None:
        """Ends a silence and a delay."""
        self.delay_s = 0.0
        self._flowing.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # the server runs this as a task
        self._pairs.add(task)
        self._writers.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            far_reader, far = await asyncio.open_connection(LOOPBACK, self.target_port, limit=_CHUNK_BYTES)
            self._writers.add(far)
            ways = [asyncio.create_task(self._pump(reader, far)), asyncio.create_task(self._pump(far_reader, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # the server is away, or we refuse: the client sees its connection end
        finally:
            self._pairs.discard(task)
            for end in (writer, far):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
