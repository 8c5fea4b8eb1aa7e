"""The protocol of rtl_tcp (librtlsdr): a greeting of 12 bytes, then I and Q as unsigned bytes. It has no time stamps.

A server has one client at a time: a second one is connected and hears nothing. Commands are not answered.
"""

import asyncio
import struct

from iqstream.ingest.live.tuning import Address, Tuning

ANSWER_WITHIN_S = 5.0
"""A connection, the greeting, and each further piece: a receiver always sends."""
PIECE_BYTES = 64 * 1024
_GREETING = struct.Struct(">4sII")


class Lost(Exception):
    """No samples come from a receiver; says why. Trying again may help."""


class NotRtlTcp(Lost):
    """Something else answers at its address."""


class Connection:
    """A receiver that has greeted, and was set; see `connect`."""

    def __init__(self, address: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._address = address
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """The next bytes, at least one; raises Lost."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                piece = await self._reader.read(PIECE_BYTES)
        except TimeoutError:
            raise Lost(f"{self._address} sent nothing for {ANSWER_WITHIN_S:g} s") from None
        except OSError as error:
            raise Lost(f"{self._address}: {error.strerror or error}") from None
        if not piece:
            raise Lost(f"{self._address} has closed the connection")
        return piece

    def close(self) -> None:
        """Lets go of the receiver at once."""
        self._writer.transport.abort()


async def connect(address: Address, tuning: Tuning) -> Connection:
    """A connection to a receiver that is set as wanted.

    Raises:
        NotRtlTcp: something else answers there.
        Lost: nobody does, or nothing comes.
    """
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            reader, writer = await asyncio.open_connection(address.host, address.port, limit=PIECE_BYTES)
    except TimeoutError:
        raise Lost(f"{address} does not answer within {ANSWER_WITHIN_S:g} s") from None
    except OSError as error:
        raise Lost(f"{address} cannot be reached: {error.strerror or error}") from None
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await _greet(address, tuning, reader, writer)
    except BaseException as error:
        writer.transport.abort()
        if isinstance(error, TimeoutError):
            raise Lost(
                f"{address} is connected and sends nothing: does another client have it? rtl_tcp has one at a time"
            ) from None
        raise
    return Connection(address, reader, writer)


async def _greet(address: Address, tuning: Tuning, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        greeting = await reader.readexactly(_GREETING.size)
        if _GREETING.unpack(greeting)[0] != b"RTL0":
            raise NotRtlTcp(f"{address} is no rtl_tcp server: it begins with {greeting!r}, not with RTL0")
        writer.write(tuning.commands())
        await writer.drain()
    except asyncio.IncompleteReadError as error:
        raise Lost(f"{address} has closed the connection after {len(error.partial)} bytes of its greeting") from None
    except ConnectionError as error:
        raise Lost(f"{address}: {error.strerror or error}") from None
