"""Objects have names that cannot leave their place, and bytes that follow from their content."""

import asyncio
import contextlib
import io

import numpy as np
import pytest

from iqstream.runtime.errors import Unreachable
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
    assert len(requests) == 1


async def test_a_store_that_answers_with_errors_is_not_said_to_be_silent(monkeypatch):
    answer = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
    async with store_that_answers(answer, monkeypatch) as (store, requests):
        with pytest.raises(Unreachable, match="cannot serve us now: too many 500 error responses"):
            await store.get_iq("d", 0, "rx")
    assert len(requests) > 1
