"""Exports are written by a task, downloaded from it, and bounded in number and size."""

import shutil
import time
from types import SimpleNamespace

import pytest

from iqstream.web import exports
from tests.unit.web.test_api import submit


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
