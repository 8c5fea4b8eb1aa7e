"""The dashboard's HTTP API on real servers: from a submission to a picture of a recording, as a program asks."""

import asyncio
import json
import time

import asyncpg
import httpx2
import pytest

import iqstream
from iqstream.export.size import largest_bytes
from iqstream.runtime.kafka import transactional_producer
from iqstream.runtime.topics import FRAMES
from schemas import FEATURE_NAMES
from tests.integration.dashboard_process import dashboard, with_dashboard_role
from tests.integration.pipeline import Pipeline

pytestmark = pytest.mark.stack
CAPTURE = {"capture_ms": 50, "chunk_ms": 10}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def pipeline(settings, tmp_path_factory):
    with Pipeline(settings, tmp_path_factory.mktemp("dashboard") / "log", workers=1).running() as running:
        yield running


@pytest.fixture(scope="module")
def limited(pipeline):
    """The settings with the rights of the dashboard's role alone."""
    return asyncio.run(with_dashboard_role(pipeline.settings))


@pytest.fixture(scope="module")
def api(pipeline, limited, tmp_path_factory):
    with (
        dashboard(Pipeline(limited, pipeline.log), tmp_path_factory.mktemp("token")) as running,
        httpx2.Client(
            base_url=f"{running.address}/api/v1", headers={"authorization": f"Bearer {running.token}"}, timeout=60
        ) as client,
    ):
        yield client


def submit(api, name, samples, **fields):
    answer = api.post("/datasets", json={"name": name, "samples": samples, "seed": 5, "capture": CAPTURE} | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def events(api, address):
    """Iterates a stream's events as name and document, until it ends."""
    with api.stream("GET", address) as stream:
        name = None
        for line in stream.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))


@pytest.fixture(scope="module")
def complete(api):
    """The id of a dataset that was submitted and followed to its end, and the events on the way."""
    made = submit(api, "By the API", 12, iq_samples=4)
    return made, list(events(api, f"/datasets/{made}/events"))


def test_a_dataset_is_followed_from_its_submission_to_its_end(api, complete):
    made, told = complete
    assert {name for name, _ in told} == {"state", "end"}
    assert told[-1][0] == "end"
    decided = [document["dataset"]["decided"] for name, document in told if name == "state"]
    assert decided == sorted(decided)
    assert decided[-1] == 12
    shown = api.get(f"/datasets/{made}").json()
    assert shown["dataset"]["status"] == "complete"
    assert sum(one["samples"] for one in shown["outcomes"]) == 12
    assert made in {one["id"] for one in api.get("/datasets?q=by the").json()["datasets"]}


def test_samples_are_paged_and_one_is_shown_with_its_72_values(api, complete):
    made, _ = complete
    first = api.get(f"/datasets/{made}/samples?limit=7").json()
    second = api.get(f"/datasets/{made}/samples?limit=7&after={first['next_after']}").json()
    assert [one["sample_idx"] for one in first["samples"] + second["samples"]] == list(range(12))
    assert second["next_after"] is None
    accepted = api.get(f"/datasets/{made}/samples?outcome=accepted").json()["samples"]
    shown = api.get(f"/datasets/{made}/samples/{accepted[0]['sample_idx']}").json()
    values = shown["row"]["receiver_features"][0]
    assert len(shown["row"]["receiver_features"]) == 7
    assert all(set(values[name]) == {"mean", "std", "min", "max"} for name in FEATURE_NAMES)


def test_a_waterfall_is_made_of_any_decided_sample_and_is_not_sent_twice(api, complete):
    made, _ = complete
    picture = api.get(f"/datasets/{made}/samples/0/receivers/torino/waterfall.png?start_ms=10&stop_ms=30&fft=256")
    assert picture.status_code == 200, picture.text
    assert picture.content.startswith(PNG)
    again = api.get(str(picture.url), headers={"if-none-match": picture.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_features_are_compared_with_what_was_put_in(api, complete):
    made, _ = complete
    found = api.get(f"/datasets/{made}/accuracy").json()
    assert sum(one["recordings"] for one in found if one["feature"] == "snr_db") == 7 * 12


def test_what_is_not_there_and_what_is_not_possible_are_told_apart(api, complete):
    made, _ = complete
    assert api.get("/datasets/nothing").status_code == 404
    assert api.get(f"/datasets/{made}?version=7").status_code == 404
    assert api.get(f"/datasets/{made}/samples/12").status_code == 404
    assert api.get("/dead-letters?stage=x").json()["total"] == 0
    assert api.post(f"/datasets/{made}/cancel").status_code == 409
    assert api.post(f"/datasets/{made}/end").status_code == 409
    assert api.post(f"/datasets/{made}/extend", json={"samples": 12}).status_code == 409
    taken = api.post("/datasets", json={"name": "By the API", "samples": 1})
    assert (taken.status_code, taken.headers["content-type"]) == (409, "application/problem+json")
    assert api.get(f"/datasets/{made}/replay-plan?samples=x").status_code == 422
    assert api.get(f"/datasets/{made}/replay-plan?samples=5-99").status_code == 404
    assert api.get(f"/datasets/{made}/replay-plan").json()["frames_kept"] == 7 * 12


def test_a_dataset_under_way_is_cancelled_and_its_followers_are_told_the_end(api):
    made = submit(api, "To be cancelled", 3000, iq_samples=0)
    following = events(api, f"/datasets/{made}/events")
    first = next(document for name, document in following if name == "state")
    assert first["dataset"]["status"] in {"submitting", "running"}
    assert api.post(f"/datasets/{made}/cancel").json()["status"] == "cancelled"
    assert list(following)[-1][0] == "end"
    assert api.delete(f"/datasets/{made}").status_code == 200


def test_the_lag_and_its_history_are_those_of_the_three_stages(api):
    deadline = time.monotonic() + 30
    while (answer := api.get("/lag")).status_code == 503 and time.monotonic() < deadline:
        time.sleep(0.2)  # the first reading is under way
    assert {one["group"] for one in answer.json()["groups"]} == {
        "iqstream-producer", "iqstream-extractor", "iqstream-sink",
    }  # fmt: skip
    assert len(api.get("/lag/history").json()) >= 1


def test_an_export_is_written_and_downloaded_whole_and_no_larger_than_was_said(api, complete, settings):
    made, _ = complete
    shown = api.get(f"/datasets/{made}").json()["dataset"]
    begun = api.post(f"/datasets/{made}/export", json={"format": "csv", "truth": True})
    assert begun.status_code == 202, begun.text
    address = f"/tasks/{begun.json()['number']}"
    deadline_s = time.monotonic() + 60
    while (task := api.get(address).json())["state"] == "running" and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert (task["state"], task["done"]) == ("done", shown["accepted"])
    files = {one["name"]: api.get(f"{address}/files/{one['name']}") for one in task["files"]}
    (rows,) = [answer.text for name, answer in files.items() if name.endswith(".csv")]
    assert len(rows.splitlines()) == 1 + 7 * shown["accepted"]
    assert all(len(files[one["name"]].content) == one["size_bytes"] for one in task["files"])
    with iqstream.connect(settings) as client:
        found = client.versions(made).dataset
    most = largest_bytes(found, "csv", include_rejected=False, truth=True)
    assert sum(one["size_bytes"] for one in task["files"]) < most


def test_a_stage_that_runs_is_moved_by_force_and_the_sink_by_its_owner_alone(api, complete):
    made, _ = complete
    created_at = api.get(f"/datasets/{made}").json()["dataset"]["created_at"]
    plan = api.get("/stages/extractor/move-plan", params={"to": "time", "time": created_at}).json()
    assert plan["members"]
    assert plan["samples_again"] > 0
    assert made in {one["dataset_id"] for one in plan["datasets"]}
    assert not plan["moved"]
    refused = api.post("/stages/extractor/move", json={"to": "current"})
    assert refused.status_code == 409
    assert "stop it first" in refused.json()["detail"]
    moved = api.post("/stages/extractor/move", json={"to": "current", "force": True})
    assert moved.status_code == 200, moved.text
    assert moved.json()["way_back"] == moved.json()["way_there"]
    denied = api.post("/stages/sink/move", json={"to": "current", "force": True})
    assert denied.status_code == 409
    assert "does not let this role" in denied.json()["detail"]


def test_a_record_that_is_no_message_is_listed_as_a_dead_letter(api, settings):
    async def send():
        sender = transactional_producer(settings, "dashboard-bad")
        await sender.start()
        async with sender.transaction():
            stood = await (await sender.send(FRAMES, b"no frame"))
        await sender.let_go()
        return f"{stood.topic}:{stood.partition}:{stood.offset}"

    origin = asyncio.run(send())
    deadline = time.monotonic() + 30
    while origin not in (found := {one["origin"]: one for one in api.get("/dead-letters").json()["dead_letters"]}):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    assert (found[origin]["stage"], found[origin]["size_bytes"]) == ("extractor", 8)
    with iqstream.connect(settings) as client:
        client.purge_dead_letters(origins=[origin])  # other tests count theirs
    assert api.get("/dead-letters").json()["total"] == 0


def test_connections_that_the_database_ended_are_made_again(api, settings):
    async def end_sessions():
        connection = await asyncpg.connect(settings.postgres_dsn)
        try:
            return await connection.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        finally:
            await connection.close()

    assert api.get("/datasets").status_code == 200
    assert asyncio.run(end_sessions()) >= 1
    answers = [api.get("/datasets").status_code for _ in range(20)]
    assert set(answers) <= {200, 503}
    assert answers[-1] == 200


FORBIDDEN = (
    "UPDATE heimdall.datasets SET accepted = 1",
    "DELETE FROM heimdall.datasets",
    "INSERT INTO heimdall.sample_outcomes SELECT * FROM heimdall.sample_outcomes",
    "UPDATE heimdall.sample_outcomes SET outcome = 'accepted'",
    "INSERT INTO heimdall.measurement_features SELECT * FROM heimdall.measurement_features",
    "UPDATE heimdall.measurement_features SET gdop = 1",
    "UPDATE heimdall.stream_offsets SET next_offset = 0",
    "UPDATE heimdall.dead_letters SET value = ''",
    "DROP TABLE heimdall.replays",
    "CREATE TABLE heimdall.mine (x integer)",
    "CREATE ROLE somebody",
)


def test_the_dashboard_s_role_writes_no_result_no_counter_and_no_position(api, limited):
    async def allowed():
        connection = await asyncpg.connect(limited.postgres_dsn)
        try:
            for statement in FORBIDDEN:
                try:
                    await connection.execute(statement)
                except asyncpg.InsufficientPrivilegeError:
                    continue
                yield statement
        finally:
            await connection.close()

    async def told():
        return [statement async for statement in allowed()]

    assert asyncio.run(told()) == []
