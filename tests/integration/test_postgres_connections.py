"""Connections to a real PostgreSQL: several hosts, poolers, passwords of any kind; wrong settings are no outage."""

import asyncio
import contextlib
import socket
import struct
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import pytest

from iqstream.catalogue.connection import connect
from iqstream.catalogue.postgres import IDLE_IN_TRANSACTION_MS, create_pool
from iqstream.catalogue.withdrawn import WithdrawnDatasets
from iqstream.runtime.errors import Unreachable, UserError
from iqstream.runtime.postgres_address import parse_dsn

pytestmark = pytest.mark.stack


@pytest.fixture
def address(settings):
    """The server's address in parts, to write other DSNs with."""
    return parse_dsn(settings.postgres_dsn)


def dsn_of(address, *, hosts=None, user=None, password=None, database=None, options=""):
    login = f"{quote(user or address.user, safe='')}:{quote(password or address.password, safe='')}"
    return f"postgresql://{login}@{hosts or address.hosts[0]}/{database or address.database}?{options}".rstrip("?")


@contextlib.contextmanager
def silent_server():
    """A port that takes connections and never says a word, as a host that hangs does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


async def test_the_second_host_is_taken_where_the_first_is_dead_or_hangs(address):
    with silent_server() as hung:
        dsn = dsn_of(address, hosts=f"127.0.0.1:1,{hung},{address.hosts[0]}", options="connect_timeout=1")
        async with create_pool(dsn, max_size=2) as pool:
            assert await pool.fetchval("SELECT 1") == 1


async def test_of_several_hosts_none_that_can_be_written_to_is_an_outage(address):
    options = "options=-c%20default_transaction_read_only%3Don"
    dsn = dsn_of(address, hosts=f"127.0.0.1:1,{address.hosts[0]}", options=options)
    with pytest.raises(Unreachable, match="no host is read-write"):
        async with create_pool(dsn, max_size=1):
            pass
    async with create_pool(f"{dsn}&target_session_attrs=prefer-standby", max_size=1) as pool:
        assert await pool.fetchval("SHOW default_transaction_read_only") == "on"


@contextlib.asynccontextmanager
async def pooler(address, taken=("client_encoding", "application_name")):
    """As PgBouncer: refuses parameters of the start that it does not know, and passes everything else on."""
    server = address.hosts[0]

    async def pass_on(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader, writer):
        while True:
            (length,) = struct.unpack("!I", await reader.readexactly(4))
            body = await reader.readexactly(length - 4)
            if struct.unpack("!I", body[:4])[0] != 80877103:  # a request for TLS
                break
            writer.write(b"N")
        words = body[4:].split(b"\0")
        for name in (name.decode() for name in words[:-2:2]):
            if name not in {"user", "database", *taken}:
                fields = f"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: {name}\0\0".encode()
                writer.write(b"E" + struct.pack("!I", len(fields) + 4) + fields)
                writer.close()
                return
        inner_reader, inner_writer = await asyncio.open_connection(server.name, server.port)
        inner_writer.write(struct.pack("!I", length) + body)
        await asyncio.gather(pass_on(reader, inner_writer), pass_on(inner_reader, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def test_a_pooler_in_session_mode_is_connected_through_and_the_timeout_holds_after_a_reset(address):
    async with pooler(address) as place, create_pool(dsn_of(address, hosts=place), max_size=1) as pool:
        for _use in range(2):  # the pool resets a connection between them
            shown = await pool.fetchval("SELECT setting FROM pg_settings WHERE name = $1", _TIMEOUT)
            assert int(shown) == IDLE_IN_TRANSACTION_MS
        async with WithdrawnDatasets(dsn_of(address, hosts=place)).followed():
            pass


_TIMEOUT = "idle_in_transaction_session_timeout"


async def test_an_option_that_a_pooler_refuses_is_named_and_is_no_outage(address):
    async with pooler(address) as place:
        with pytest.raises(UserError, match="unsupported startup parameter: options"):
            async with create_pool(dsn_of(address, hosts=place, options="options=-cjit%3Doff"), max_size=1):
                pass


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": "falsch-123"}, "user, password"),
        ({"user": "nobody-of-this-name"}, "user, password"),
        ({"database": "nosuchdatabase"}, "Check the database"),
        ({"options": "sslmode=require"}, "does not speak TLS"),
        ({"options": "sslmode=verify-full&sslrootcert=system"}, "does not speak TLS"),
        ({"options": "options=-c%20nosuchsetting%3D1"}, "rejected an option"),
        ({"options": "sslmode=verify-full&sslrootcert=/absent.crt"}, "sslrootcert /absent.crt cannot be read"),
        ({"options": "sslmode=verify-full&sslrootcert=/dev/zero"}, "sslrootcert /dev/zero is not a regular file"),
        ({"options": "passfile=/dev/zero"}, "passfile /dev/zero is not a regular file"),
        ({"options": "passfile=/absent"}, "passfile /absent cannot be read"),
    ],
)
async def test_what_waiting_does_not_mend_is_told_as_wrong_settings_without_a_secret(address, change, said):
    dsn = dsn_of(address, **change)
    with pytest.raises(UserError) as caught:
        async with create_pool(dsn, max_size=1):
            pass
    assert said in str(caught.value)
    assert "IQSTREAM_POSTGRES_DSN" in str(caught.value)
    for secret in ("falsch-123", address.password):
        assert secret not in str(caught.value)
    with pytest.raises(UserError):
        async with WithdrawnDatasets(dsn).followed():
            pass


async def test_a_server_that_takes_no_more_connections_is_waited_for(address):
    owner = await connect(dsn_of(address))
    name, password = f"role_{uuid4().hex}", "p@ss/w#rd?1%2 ä:&=+"
    try:
        escaped = password.replace("'", "''")
        await owner.execute(f"CREATE ROLE {name} LOGIN CONNECTION LIMIT 1 PASSWORD '{escaped}'")
        dsn = dsn_of(address, user=name, password=password)
        session = await connect(dsn)
        with pytest.raises(Unreachable, match="too many connections"):
            async with create_pool(dsn, max_size=1):
                pass
        await session.close()
        by_option = f"postgresql://{name}@{address.hosts[0]}/{address.database}?password={quote(password, safe='')}"
        session = await connect(by_option)
        assert await session.fetchval("SELECT current_user") == name
        await session.close()
    finally:
        await owner.execute(f"DROP ROLE IF EXISTS {name}")
        await owner.close()


async def test_a_password_file_is_read_unless_others_may_read_it(address, tmp_path):
    path = tmp_path / "pgpass"
    path.write_text(f"*:*:*:*:{address.password}\n")
    path.chmod(0o600)
    dsn = f"postgresql://{address.user}@{address.hosts[0]}/{address.database}?passfile={path}"
    await (await connect(dsn)).close()
    path.chmod(0o644)
    with pytest.raises(UserError, match="chmod 600"):
        async with create_pool(dsn, max_size=1):
            pass


async def test_the_socket_is_kept_alive_as_the_dsn_says(address):
    session = await connect(dsn_of(address, options="keepalives_idle=31&keepalives_interval=7&keepalives_count=4"))
    try:
        inner = session._transport.get_extra_info("socket")
        told = [inner.getsockopt(socket.IPPROTO_TCP, name)
                for name in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)]  # fmt: skip
        assert told == [31, 7, 4]
        assert inner.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert isinstance(session, asyncpg.Connection)
    finally:
        await session.close()
