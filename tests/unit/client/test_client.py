"""The front door: what importing it costs, that both faces have the same calls, and that it works in a notebook."""

import asyncio
import inspect
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import iqstream
from iqstream.client.asynchronous import AsyncClient
from iqstream.client.background_loop import BackgroundLoop
from iqstream.client.synchronous import Client
from iqstream.runtime.errors import UserError

ONLY_ASYNC = {"grow", "listen"}
"""Is stopped by an event of the caller's own loop."""


def calls(of):
    return {name for name, _ in inspect.getmembers(of, callable) if not name.startswith("_")}


def test_importing_iqstream_imports_nothing_heavy():
    code = "import iqstream, sys; print(*sorted(sys.modules)); iqstream.connect"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(ended.stdout.split())
    assert not imported & {"numpy", "aiokafka", "asyncpg", "rich", "click", "iqstream.client", "msgspec"}


def test_the_synchronous_client_has_every_call_with_the_same_arguments_and_words():
    assert calls(AsyncClient) - ONLY_ASYNC == calls(Client) - {"close"}
    for name in calls(AsyncClient) - ONLY_ASYNC:
        assert inspect.signature(getattr(Client, name)) == inspect.signature(getattr(AsyncClient, name)), name
        assert getattr(Client, name).__doc__ == getattr(AsyncClient, name).__doc__


def test_every_call_is_on_the_page():
    page = Path("docs/python.md").read_text(encoding="utf-8")
    assert [name for name in sorted(calls(AsyncClient)) if not re.search(rf"`(client\.)?{name}\b", page)] == []


def test_a_name_that_iqstream_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing"):
        _ = iqstream.nothing
    assert {"connect", "aconnect"} <= set(dir(iqstream))


def test_settings_and_a_state_directory_at_once_are_refused(tmp_path):
    with pytest.raises(UserError, match="give one of them"):
        iqstream.connect(object(), state_dir=tmp_path)


async def thread_name():
    await asyncio.sleep(0)
    return threading.current_thread().name


async def counted(closed):
    try:
        for number in range(5):
            yield number
    finally:
        closed.append(True)


async def test_a_call_returns_within_a_running_event_loop_as_in_a_notebook():
    loop = BackgroundLoop()
    assert asyncio.get_running_loop().is_running()
    assert loop.run(thread_name()) == "iqstream-client"
    assert list(loop.iterate(counted([]))) == [0, 1, 2, 3, 4]
    loop.close()


def test_an_error_comes_out_as_it_is():
    async def fail():
        raise UserError("wrong")

    loop = BackgroundLoop()
    with pytest.raises(UserError, match="wrong"):
        loop.run(fail())
    loop.close()


def test_an_iteration_that_is_left_closes_what_it_reads():
    loop, closed = BackgroundLoop(), []
    numbers = loop.iterate(counted(closed))
    assert next(numbers) == 0
    numbers.close()
    assert closed == [True]
    loop.close()


def test_ctrl_c_cancels_the_call_and_waits_for_its_end():
    loop, told = BackgroundLoop(), []

    async def work():
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            told.append("tidied up")

    with pytest.raises(KeyboardInterrupt):
        loop.run(work())
    assert told == ["tidied up"]
    loop.close()


def test_closing_cancels_what_runs_ends_the_thread_and_is_said_at_the_next_call():
    loop = BackgroundLoop()
    loop.run(thread_name())
    loop.close()
    loop.close()
    assert "iqstream-client" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(UserError, match="closed"):
        loop.run(thread_name())
