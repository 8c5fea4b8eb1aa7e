"""The HTTP API: what it answers is what its document says, and errors are problem details."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from iqstream.web import submitting
from iqstream.web.api import OPERATIONS
from iqstream.web.openapi import openapi_document

DOCUMENT = openapi_document()
HOSTILE = "<script>alert('1')</script> \" & 'x'"


def submit(writer, key=None, **fields):
    headers = {} if key is None else {"idempotency-key": key}
    return writer.post("/api/v1/datasets", json={"name": "Test", "samples": 30} | fields, headers=headers)


def require_documented(operation, answer):
    """The answer's status, media type and JSON are what the document says of the operation."""
    described = next(
        one for path in DOCUMENT["paths"].values() for one in path.values() if one["operationId"] == operation
    )
    assert str(answer.status_code) in described["responses"], (operation, answer.text)
    told = described["responses"][str(answer.status_code)]
    if answer.status_code == 304:
        return
    media_type = answer.headers["content-type"].partition(";")[0]
    schema = told["content"][media_type].get("schema")
    if schema is not None:
        Draft202012Validator(schema | {"components": DOCUMENT["components"]}).validate(answer.json())


@pytest.fixture
def dataset(writer, door):
    made = submit(writer).json()["id"]
    door.decide(made, 30)
    return f"/api/v1/datasets/{made}"


def test_every_answer_is_as_documented(writer, dataset):
    for operation, method, address, body in [
        ("list_datasets", "GET", "/api/v1/datasets?q=te&sort=name", None),
        ("submit", "POST", "/api/v1/datasets", {"name": "Other", "samples": 3}),
        ("submit", "POST", "/api/v1/datasets", {"name": "Other", "samples": 3}),
        ("submit", "POST", "/api/v1/datasets", {"name": "Third", "samples": -3}),
        ("show_dataset", "GET", dataset, None),
        ("show_dataset", "GET", "/api/v1/datasets/nothing", None),
        ("change", "PATCH", dataset, {"name": "Renamed", "description": "for a test"}),
        ("extend", "POST", f"{dataset}/extend", {"samples": 60}),
        ("cancel", "POST", f"{dataset}/cancel", None),
        ("resume", "POST", f"{dataset}/resume", None),
        ("end", "POST", f"{dataset}/end", None),
        ("list_samples", "GET", f"{dataset}/samples?outcome=accepted&limit=5", None),
        ("show_sample", "GET", f"{dataset}/samples/3", None),
        ("show_sample", "GET", f"{dataset}/samples/99999999999999999999", None),
        ("waterfall", "GET", f"{dataset}/samples/3/receivers/torino/waterfall.png?fft=256", None),
        ("waterfall", "GET", f"{dataset}/samples/3/receivers/nobody/waterfall.png", None),
        ("waterfall", "GET", f"{dataset}/samples/3/receivers/torino/waterfall.png?start_ms=999.9", None),
        ("plan_replay", "GET", f"{dataset}/replay-plan?samples=0-9", None),
        ("plan_replay", "GET", f"{dataset}/replay-plan?as_version=1", None),
        ("estimate", "POST", "/api/v1/datasets/estimate", {"name": "Other", "samples": 100}),
        ("estimate", "POST", "/api/v1/datasets/estimate", {"name": "Other", "samples": 0}),
        ("show_truth", "GET", f"{dataset}/samples/3/truth", None),
        ("show_truth", "GET", f"{dataset}/samples/9999/truth", None),
        ("download_npy", "GET", f"{dataset}/samples/3/receivers/torino/iq.npy?start_ms=10&stop_ms=20", None),
        ("download_npy", "GET", f"{dataset}/samples/3/receivers/torino/iq.npy?start_ms=20&stop_ms=10", None),
        ("download_sigmf", "GET", f"{dataset}/samples/3/receivers/torino/iq.sigmf", None),
        ("show_by_distance", "GET", f"{dataset}/outcomes-by-distance", None),
        ("show_distribution", "GET", f"{dataset}/distribution?feature=rssi_dbm&statistic=std", None),
        ("show_distribution", "GET", f"{dataset}/distribution?feature=beauty", None),
        ("replay", "POST", f"{dataset}/replay", {"samples": "0-9"}),
        ("replay", "POST", f"{dataset}/replay", {}),
        ("list_tasks", "GET", "/api/v1/tasks", None),
        ("show_task", "GET", "/api/v1/tasks/1", None),
        ("show_task", "GET", "/api/v1/tasks/2", None),
        ("plan_retry", "POST", "/api/v1/dead-letters/retry-plan", {"error": "Malformed"}),
        ("retry", "POST", "/api/v1/dead-letters/retry", {"origins": ["iq.frames:0:1"]}),
        ("show_dead_letter", "GET", "/api/v1/dead-letters/iq.frames:0:1", None),
        ("show_lag", "GET", "/api/v1/lag", None),
        ("show_lag_history", "GET", "/api/v1/lag/history", None),
        ("plan_move", "GET", "/api/v1/stages/extractor/move-plan?to=earliest&partitions=0,1", None),
        ("plan_move", "GET", "/api/v1/stages/painter/move-plan", None),
        ("move", "POST", "/api/v1/stages/extractor/move", {"to": "offsets", "offsets": "0:5"}),
        ("move", "POST", "/api/v1/stages/extractor/move", {"to": "time"}),
        ("list_dead_letters", "GET", "/api/v1/dead-letters", None),
        ("export", "POST", f"{dataset}/export", {"format": "csv"}),
        ("export", "POST", f"{dataset}/export", {"format": "xls"}),
        ("download_file", "GET", "/api/v1/tasks/2/files/nothing", None),
        ("delete", "DELETE", dataset, None),
    ]:
        answer = writer.request(method, address, json=body)
        assert answer.status_code < 500, (operation, answer.text)
        require_documented(operation, answer)


def test_the_document_has_every_operation_and_names_only_schemas_that_it_holds():
    told = {(m.upper(), p) for p, of in DOCUMENT["paths"].items() for m in of}
    assert len(told) == len(OPERATIONS)
    text = json.dumps(DOCUMENT)
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) <= set(DOCUMENT["components"]["schemas"])
    assert json.loads(Path("docs/reference/openapi.json").read_text(encoding="utf-8")) == DOCUMENT


def test_the_same_key_submits_once_and_another_dataset_under_it_is_refused(writer, door):
    first, again = submit(writer, "k1"), submit(writer, "k1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert submit(writer, "k1", samples=31).status_code == 409
    assert submit(writer, "k1", seed=4).status_code == 409
    assert door.submissions == 1
    assert submit(writer, "k2", name="Other").json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"name": "x"}, "samples"),
        ({"name": "x", "samples": 1, "limits": {"min_snr": 3}}, "min_snr"),
        ({"name": "x", "samples": 1, "frequency_hz": 1}, "frequency_hz"),
        ({"name": "x", "samples": 1, "limits": {"min_receivers": 9}}, "min_receivers"),
        ({"name": "x", "samples": 1, "dataset_id": "y"}, "dataset_id"),
        ([], "object"),
    ],
)
def test_a_wrong_field_is_named(writer, door, body, words):
    answer = writer.post("/api/v1/datasets", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert words in answer.json()["detail"]
    assert not door.made


@pytest.mark.parametrize(
    "address", ["?limit=0", "?limit=501", "?offset=-1", "?sort=size", "?nothing=1", "?limit=5&limit=6", "?q=%00"]
)
def test_a_wrong_query_is_an_answer(reader, address):
    assert reader.get(f"/api/v1/datasets{address}").status_code in {400, 422}


def test_pages_of_samples_hold_each_sample_once(writer, dataset):
    seen, after = [], -1
    while after is not None:
        page = writer.get(f"{dataset}/samples?limit=7&after={after}").json()
        seen += [one["sample_idx"] for one in page["samples"]]
        after = page["next_after"]
    assert seen == list(range(30))


def test_pages_of_datasets_hold_each_dataset_once(writer):
    for name in "abcde":
        submit(writer, name=name)
    pages = [writer.get(f"/api/v1/datasets?sort=name&limit=2&offset={at}").json() for at in (0, 2, 4)]
    assert [one["name"] for page in pages for one in page["datasets"]] == list("abcde")
    assert {page["total"] for page in pages} == {5}


def test_a_waterfall_is_sent_once_and_its_recording_fetched_once(writer, door, dataset):
    address = f"{dataset}/samples/3/receivers/torino/waterfall.png?version=1"
    first = writer.get(address)
    assert first.content.startswith(b"\x89PNG")
    again = writer.get(address, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert writer.get(address + "&fft=256", headers={"if-none-match": first.headers["etag"]}).status_code == 200
    assert door.fetched == 1


def test_a_server_that_is_away_is_503_and_says_how_to_start_it(reader, door):
    door.away = True
    answer = reader.get("/api/v1/datasets")
    assert answer.status_code == 503
    assert "iqstream up" in answer.json()["detail"]


def test_what_we_did_not_foresee_is_told_without_its_words(reader, door, monkeypatch):
    async def fail(**_):
        raise RuntimeError("postgresql://user:secret@host")

    monkeypatch.setattr(door, "datasets", fail)
    for address in ("/api/v1/datasets", "/"):
        answer = reader.get(address)
        assert answer.status_code == 500
        assert "secret" not in answer.text


def test_a_submission_that_takes_long_is_answered_once_the_dataset_is_there(writer, door, monkeypatch):
    monkeypatch.setattr(submitting, "BEGUN_AFTER_S", 0.01)
    door.lingers = True
    answer = submit(writer, "k1")
    assert answer.status_code == 201
    assert submit(writer, "k1").json()["id"] == answer.json()["id"]


def test_a_submission_that_fails_early_is_an_answer(writer, door):
    door.away = True
    assert submit(writer).status_code == 503
