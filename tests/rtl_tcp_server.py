"""A server that speaks rtl_tcp, well or badly: it drops, stalls, lies, sends half a sample, nothing, or too much."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from iqstream.ingest.live.tuning import Address
from tests.recorded import tone

GREETING = struct.pack(">4sII", b"RTL0", 5, 29)
PIECE_S = 0.02


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """Of one connection."""

    greeting: bytes | None = GREETING
    """None: it is never sent."""
    seconds: float = 1e9
    """Of samples, then what follows."""
    then: str = "close"
    """Or `stall`."""
    speed: float = 1.0
    """Samples a second over the sample rate."""
    odd_bytes: bytes = b""
    """Sent behind the samples."""


WELL = Behaviour()


class RtlTcpServer:
    """Behaves in each connection as the next of `behaviours` says, and in the last one's way from then on."""

    def __init__(self, behaviours: Sequence[Behaviour], sample_rate_hz: int) -> None:
        self._behaviours = list(behaviours)
        self._rate_hz = sample_rate_hz
        self._raw = tone(1.0, 7).tobytes()
        self.commands = b""
        """That clients sent, all of them."""
        self.connections = 0
        self.address = Address(host="127.0.0.1")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["RtlTcpServer"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = Address(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
        self._tasks: set[asyncio.Task] = set()
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        behaviour = self._behaviours[min(self.connections, len(self._behaviours) - 1)]
        self.connections += 1
        commands = asyncio.create_task(self._hear(reader))
        self._tasks.add(commands)
        try:
            if behaviour.greeting is not None:
                writer.write(behaviour.greeting)
                await self._send(writer, behaviour)
            if behaviour.then == "stall":
                await asyncio.Event().wait()
        except ConnectionError:
            pass
        finally:
            commands.cancel()
            writer.transport.abort() if behaviour.then == "abort" else writer.close()

    async def _send(self, writer: asyncio.StreamWriter, behaviour: Behaviour) -> None:
        loop = asyncio.get_running_loop()
        began_s, sent = loop.time(), 0
        wanted = int(behaviour.seconds * self._rate_hz)
        while sent < wanted:
            await asyncio.sleep(PIECE_S)
            due = min(wanted, int((loop.time() - began_s) * self._rate_hz * behaviour.speed))
            while sent < due:
                start = 2 * sent % len(self._raw)
                piece = self._raw[start : start + 2 * (due - sent)]
                writer.write(piece)
                sent += len(piece) // 2
            await writer.drain()
        writer.write(behaviour.odd_bytes)
        await writer.drain()

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(100):
            self.commands += data
