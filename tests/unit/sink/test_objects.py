"""Objects have names that cannot leave their place, and bytes that follow from their content."""

import asyncio
import contextlib
import http.server
import io
import threading

import numpy as np
import pytest

from iqstream.runtime.errors import Unreachable, UserError
from sink.objects import ObjectStore, npy_bytes, object_name


def test_objects_are_named_by_dataset_sample_and_receiver():
    assert object_name("d-1", 12, "torino") == "synthetic/d-1/12/torino.npy"


@pytest.mark.parametrize("part", ["", "..", "a/b", "../x", ".hidden", "a\0", "a b"])
def test_a_name_that_would_change_the_path_is_refused(part):
    with pytest.raises(ValueError, match="object"):
        object_name("d", 0, part)
    with pytest.raises(ValueError, match="object"):
        object_name(part, 0, "rx")


def test_a_recording_comes_back_as_it_was_and_gives_the_same_bytes_again():
    iq = np.random.default_rng(3).normal(size=(500, 2)).astype(np.float32).view(np.complex64).ravel()
    data = npy_bytes(iq)
    read = np.load(io.BytesIO(data), allow_pickle=False)
    assert read.dtype == np.complex64
    assert np.array_equal(read, iq)
    assert npy_bytes(iq[::1].copy()) == data


@contextlib.asynccontextmanager
async def store_that_answers(answer, monkeypatch):
    """An object store's client, and the requests that came to a server which gives them all one answer, or none."""
    monkeypatch.setattr("sink.objects._READ_TIMEOUT_S", 0.3)
    requests = []

    async def serve(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while True:
                requests.append(await reader.readuntil(b"\r\n\r\n"))
                if answer is not None:
                    writer.write(answer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    store = ObjectStore(
        endpoint=f"127.0.0.1:{server.sockets[0].getsockname()[1]}", access_key="key", secret_key="secret"
    )
    try:
        yield store, requests
    finally:
        store.close()
        server.close()
        await server.wait_closed()


async def test_a_request_that_the_store_keeps_is_given_up_once(monkeypatch):
    async with store_that_answers(None, monkeypatch) as (store, requests):
        with pytest.raises(Unreachable, match="does not answer"):
            await store.get_iq("d", 0, "rx")
    assert len([request for request in requests if b"/heimdall-synthetic-iq" in request]) == 1


async def test_a_store_that_answers_with_errors_is_not_said_to_be_silent(monkeypatch):
    answer = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
    async with store_that_answers(answer, monkeypatch) as (store, requests):
        with pytest.raises(Unreachable, match="is not available now: too many 500 error responses"):
            await store.get_iq("d", 0, "rx")
    assert len(requests) > 1


@contextlib.contextmanager
def server_that_answers(status, body):
    """Something that speaks HTTP and is no object store."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_PUT()

        def do_GET(self):
            self.do_PUT()

        def do_PUT(self):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def store(endpoint, **changes):
    return ObjectStore(endpoint=endpoint, access_key="the-access", secret_key="the-secret", **changes)


@pytest.mark.parametrize("body", [b"<html>not here</html>", b"\xff\x00\x1f"])
async def test_what_is_no_object_store_is_told_as_a_wrong_setting(body):
    with server_that_answers(404, body) as endpoint:
        with pytest.raises(UserError, match="IQSTREAM_S3_ENDPOINT") as caught:
            await store(endpoint).get_iq("d", 0, "rx")
        assert "the-secret" not in str(caught.value)
        with pytest.raises(UserError, match="IQSTREAM_S3_SECURE"):  # TLS to what does not speak it
            await store(endpoint, secure=True).get_iq("d", 0, "rx")


async def test_a_server_that_cannot_serve_now_and_one_that_is_away_are_outages():
    with server_that_answers(503, b"") as endpoint, pytest.raises(Unreachable):
        await store(endpoint).ensure_bucket()
    with pytest.raises(Unreachable, match="does not answer"):
        await store(endpoint).ensure_bucket()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_authorities_is_refused_by_name(tmp_path, content):
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match="IQSTREAM_S3_CAFILE"):
        store("127.0.0.1:1", secure=True, ca_file=str(path))


@pytest.mark.parametrize("endpoint", ["s3:9000/bucket", "http://s3:9000", "user@s3:9000"])
def test_an_endpoint_that_the_client_cannot_take_is_refused_by_name(endpoint):
    with pytest.raises(UserError, match="IQSTREAM_S3_ENDPOINT"):
        store(endpoint)
