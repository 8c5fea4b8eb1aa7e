"""Exports are written by a task, downloaded from it, and bounded in number and size."""

import shutil
import tempfile
import time
from types import SimpleNamespace

import pytest
from starlette.testclient import TestClient

from iqstream.export.formats import FORMATS
from iqstream.runtime.errors import UserError
from iqstream.web import exports
from iqstream.web.app import dashboard_app
from iqstream.web.security import Access
from tests.unit.web.test_api import submit


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def dataset(writer, door):
    made = submit(writer).json()["id"]
    door.decide(made, 30)
    return made


def ended(writer, number):
    deadline_s = time.monotonic() + 5
    while (task := writer.get(f"/api/v1/tasks/{number}").json())["state"] == "running":
        assert time.monotonic() < deadline_s
    return task


def export(writer, dataset, **order):
    answer = writer.post(f"/api/v1/datasets/{dataset}/export", json=order)
    assert answer.status_code == 202, answer.text
    return ended(writer, answer.json()["number"])


def test_what_was_written_is_downloaded_under_its_name(writer, dataset):
    task = export(writer, dataset, format="npz", truth=True)
    name = f"dataset-{dataset[:8]}-v1.npz"
    assert (task["state"], task["done"], task["samples"], task["published"]) == ("done", 5, 10, None)
    assert task["files"] == [{"name": name, "size_bytes": 4}, {"name": f"{name}.md", "size_bytes": 14}]
    answer = writer.get(f"/api/v1/tasks/1/files/{name}")
    assert (answer.content, answer.headers["content-disposition"]) == (b"rows", f'attachment; filename="{name}"')
    assert writer.get(f"/api/v1/tasks/1/files/{name}.md").text == "npz False True"
    assert f'href="/api/v1/tasks/1/files/{name}"' in writer.get("/tasks").text


@pytest.mark.parametrize("name", ["nothing", "..%2F..%2Fetc%2Fpasswd", "%2e%2e", "."])
def test_nothing_but_what_was_written_can_be_downloaded(writer, dataset, name):
    export(writer, dataset)
    assert writer.get(f"/api/v1/tasks/1/files/{name}").status_code == 404
    assert writer.get("/api/v1/tasks/9/files/nothing").status_code == 404


def test_the_files_of_older_exports_are_deleted(writer, dataset):
    name = export(writer, dataset)["files"][0]["name"]
    for _ in range(exports.KEPT):
        export(writer, dataset)
    statuses = [writer.get(f"/api/v1/tasks/{1 + at}/files/{name}").status_code for at in range(exports.KEPT + 1)]
    assert statuses == [404] + [200] * exports.KEPT


def test_files_that_are_deleted_are_no_longer_linked(writer, dataset):
    for _ in range(exports.KEPT + 1):
        export(writer, dataset)
    assert "/api/v1/tasks/1/files/" not in writer.get("/tasks").text
    assert "/api/v1/tasks/2/files/" in writer.get("/tasks").text


def test_an_export_that_fails_leaves_no_file_and_takes_no_place_of_one_that_is_whole(writer, door, dataset, tmp_path):
    name = export(writer, dataset)["files"][0]["name"]
    door.export_fails = True
    for _ in range(exports.KEPT):
        assert export(writer, dataset)["state"] == "failed"
    answer = writer.get(f"/api/v1/tasks/1/files/{name}")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert len(list(tmp_path.glob("iqstream-exports-*/*"))) == 1


def test_an_export_whose_folder_was_taken_away_is_written_into_a_new_one(writer, dataset, tmp_path):
    export(writer, dataset)
    for folder in tmp_path.glob("iqstream-exports-*"):
        shutil.rmtree(folder)
    assert export(writer, dataset)["state"] == "done"


def test_a_format_whose_library_is_missing_is_refused_at_once(writer, dataset, monkeypatch):
    def missing():
        raise UserError("pip install 'iqstream[arrow]'")

    monkeypatch.setattr(FORMATS["parquet"], "require", missing)
    answer = writer.post(f"/api/v1/datasets/{dataset}/export", json={})
    assert (answer.status_code, answer.json()["detail"]) == (422, "pip install 'iqstream[arrow]'")
    assert writer.get("/api/v1/tasks").json()["tasks"] == []


def test_an_export_for_which_there_is_no_room_is_refused_with_the_command(writer, door, dataset, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    answer = writer.post(f"/api/v1/datasets/{dataset}/export", json={"format": "csv", "include_rejected": True})
    assert answer.status_code == 409
    command = f"`iqstream datasets export {dataset} --format csv --version 1 --include-rejected`"
    assert command in answer.json()["detail"]
    assert writer.get("/api/v1/tasks").json()["tasks"] == []


def test_the_page_exports_what_its_form_says(writer, dataset):
    shown = writer.get(f"/datasets/{dataset}/export?format=csv&truth=true").text
    assert f"iqstream datasets export {dataset} --format csv --version 1 --truth" in shown
    answer = writer.post(f"/datasets/{dataset}/export", data={"format": "csv", "truth": "true", "version": "1"})
    assert answer.headers["location"] == "/tasks"
    name = ended(writer, 1)["files"][1]["name"]
    assert writer.get(f"/api/v1/tasks/1/files/{name}").text == "csv False True"
    assert writer.post(f"/datasets/{dataset}/export", data={"format": "xls"}).status_code == 422


def test_what_a_killed_server_left_is_deleted_at_the_next_start_and_what_another_one_writes_is_not(
    writer, dataset, door, tmp_path
):
    name = export(writer, dataset)["files"][0]["name"]
    left = tmp_path / "iqstream-exports-left"
    (left / "one").mkdir(parents=True)
    with TestClient(dashboard_app(door, Access(token="another"))):
        assert not left.exists()
    assert writer.get(f"/api/v1/tasks/1/files/{name}").status_code == 200


def test_the_page_counts_rows_exactly_where_they_are_known_and_else_as_the_most(writer, dataset):
    assert "<dd>70: 10 accepted samples, 7 receivers</dd>" in writer.get(f"/datasets/{dataset}/export").text
    shown = writer.get(f"/datasets/{dataset}/export?include_rejected=true").text
    assert "<dd>at most 210: 30 samples, 7 receivers</dd>" in shown
