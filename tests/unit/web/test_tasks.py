"""Replays and retries in the background: one at a time, told how far they are and how they ended."""

import asyncio

import pytest

from iqstream.runtime.errors import Conflict, Failed, NotFound
from iqstream.web.tasks import KEPT, Tasks
from tests.unit.web.test_api import submit


async def ended(tasks):
    async with asyncio.timeout(5):
        while tasks.latest()[0].state == "running":
            await asyncio.sleep(0)
    return tasks.latest()[0]


async def test_a_task_is_told_from_its_beginning_to_its_end():
    tasks, goes_on = Tasks(), asyncio.Event()

    async def work(tell):
        tell(samples=30, published=20, done=10)
        await goes_on.wait()
        return "10 accepted"

    begun = tasks.begin("Replay", work)
    assert (begun.number, begun.state, begun.ended_at) == (1, "running", None)
    await asyncio.sleep(0)
    assert (tasks.one(1).samples, tasks.one(1).published, tasks.one(1).done) == (30, 20, 10)
    goes_on.set()
    done = await ended(tasks)
    assert (done.state, done.result) == ("done", "10 accepted")
    assert done.ended_at >= done.begun_at
    with pytest.raises(NotFound):
        tasks.one(2)


async def test_a_second_task_is_refused_while_one_is_under_way_and_begins_after_it():
    tasks, goes_on = Tasks(), asyncio.Event()

    async def work(_):
        await goes_on.wait()
        return ""

    tasks.begin("The first", work)
    with pytest.raises(Conflict, match="The first is under way"):
        tasks.begin("The second", work)
    goes_on.set()
    await ended(tasks)
    assert tasks.begin("The second", work).number == 2
    await tasks.close()


@pytest.mark.parametrize(
    ("error", "told"), [(Failed("Kafka refuses"), "Kafka refuses"), (ValueError("a secret"), "The server's log")]
)
async def test_an_error_ends_a_task_in_words(error, told):
    tasks = Tasks()

    async def work(_):
        raise error

    tasks.begin("Replay", work)
    done = await ended(tasks)
    assert done.state == "failed"
    assert told in done.result
    assert "secret" not in done.result


async def test_a_server_that_stops_stops_its_task_and_says_so():
    tasks = Tasks()

    async def work(_):
        await asyncio.Event().wait()

    tasks.begin("Replay", work)
    await asyncio.sleep(0)
    await tasks.close()
    assert tasks.latest()[0].state == "stopped"


async def test_only_the_latest_tasks_are_kept():
    tasks = Tasks()

    async def work(_):
        return ""

    for _ in range(KEPT + 5):
        tasks.begin("Replay", work)
        await ended(tasks)
    assert [one.number for one in tasks.latest()] == list(range(KEPT + 5, 5, -1))


def test_a_replay_that_is_begun_on_its_page_is_seen_among_the_tasks(writer, door):
    made = submit(writer, name="Again <b>").json()["id"]
    assert writer.post(f"/datasets/{made}/replay", data={"samples": "0-9"}).headers["location"] == "/tasks"
    assert writer.get("/api/v1/tasks/1").json()["done"] == 10
    assert "Replay of Again &lt;b&gt;" in writer.get("/tasks").text
    assert writer.post(f"/api/v1/datasets/{made}/replay", json={}).status_code == 409
    assert writer.post(f"/datasets/{made}/replay", data={"as_version": "many"}).status_code == 422
