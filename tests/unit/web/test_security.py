"""Who is let in: Host names, the token, pages of other sites, sizes and rates."""

import os
import stat

import pytest
from starlette.testclient import TestClient

from iqstream.cli.dashboard import read_or_make_token
from iqstream.runtime.errors import UserError
from iqstream.web.app import dashboard_app
from iqstream.web.security import CHANGES_AT_ONCE, MAX_BODY_BYTES, Access, allowed_hosts, is_loopback
from tests.unit.web.conftest import BASE, TOKEN

NEW = {"name": "Test", "samples": "3"}


def sign_in(reader, **fields):
    return reader.post("/sign-in", data={"token": TOKEN} | fields, headers={"origin": BASE})


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "evil.example:8700", "localhost."])
def test_a_host_that_is_not_ours_gets_nothing(reader, host):
    answer = reader.get("/api/v1/datasets", headers={"host": host})
    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["localhost", "localhost:8700", "[::1]:8700", "127.0.0.1"])
def test_loopback_is_known_by_each_of_its_names(reader, host):
    assert reader.get("/api/v1/datasets", headers={"host": host}).status_code == 200


CHANGES = [
    ("POST", "/api/v1/datasets"), ("PATCH", "/api/v1/datasets/x"), ("DELETE", "/api/v1/datasets/x"),
    ("POST", "/api/v1/datasets/x/cancel"), ("POST", "/new"), ("POST", "/datasets/x/delete"), ("PUT", "/"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "address"), CHANGES)
def test_what_changes_something_needs_the_token(reader, door, method, address):
    wrong = {"authorization": f"Bearer {TOKEN}x"}
    assert reader.request(method, address, headers={"origin": BASE}).status_code == 401
    assert reader.request(method, address, headers={"origin": BASE} | wrong).status_code == 401
    assert not door.made


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://127.0.0.1:9999", "http://127.0.0.1"])
def test_a_browser_that_is_signed_in_changes_nothing_for_another_site(reader, door, origin):
    sign_in(reader)
    headers = {} if origin is None else {"origin": origin}
    assert reader.post("/new", data=NEW, headers=headers).status_code == 403
    assert not door.made
    assert reader.post("/new", data=NEW, headers={"origin": BASE}).status_code == 303


def test_the_cookie_is_for_no_script_and_for_no_other_site(reader):
    cookie = sign_in(reader).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_signing_in_leads_nowhere_else(reader):
    assert sign_in(reader, next="/lag").headers["location"] == "/lag"
    for target in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        assert sign_in(reader, next=target).headers["location"] == "/"


def test_the_wrong_token_does_not_sign_in(reader):
    answer = sign_in(reader, token="wrong")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_beyond_loopback_looking_needs_the_token_too(door):
    access = Access(token=TOKEN, hosts=allowed_hosts("10.0.0.1", ["lab.example"]), reading_needs_token=True)
    with TestClient(dashboard_app(door, access), base_url="http://lab.example") as client:
        for address in ("/", "/lag", "/api/v1/datasets", "/api/v1/openapi.json"):
            assert client.get(address).status_code == 401
        assert client.get("/sign-in").status_code == 200
        assert client.get("/api/v1/datasets", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.get("/", headers={"host": "127.0.0.1"}).status_code == 421


def test_a_probe_without_token_and_host_is_told_that_the_server_serves_and_nothing_else(door):
    access = Access(token=TOKEN, hosts=frozenset({"lab.example"}), reading_needs_token=True)
    with TestClient(dashboard_app(door, access), base_url="http://10.1.2.3:8700") as client:
        assert client.get("/healthz").text == "It serves.\n"
        assert client.get("/healthz/../").status_code == 421


def test_only_addresses_of_this_machine_are_loopback():
    assert all(map(is_loopback, ["127.0.0.1", "127.9.9.9", "::1", "localhost"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "10.0.0.1", "example.org", ""]))


def test_every_answer_forbids_inline_scripts_and_frames(reader, door):
    for address in ("/", "/api/v1/datasets", "/nothing", "/static/live.js"):
        policy = reader.get(address).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_a_large_body_is_refused(writer):
    answer = writer.post("/api/v1/datasets", content=b"x" * (MAX_BODY_BYTES + 1))
    assert answer.status_code == 413


def test_too_many_changes_at_once_are_refused(writer):
    answers = {writer.post("/api/v1/datasets", json={}).status_code for _ in range(2 * CHANGES_AT_ONCE)}
    assert answers == {422, 429}


def test_no_page_holds_the_token(writer, door):
    for address in ("/", "/new", "/lag", "/sign-in", "/api/v1/openapi.json"):
        assert TOKEN not in writer.get(address).text


def test_the_token_is_made_once_for_its_owner_alone(tmp_path):
    place = tmp_path / "state" / "dashboard-token"
    token = read_or_make_token(place)
    assert len(token) >= 32
    assert read_or_make_token(place) == token
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    os.chmod(place, 0o644)  # noqa: PTH101
    with pytest.raises(UserError, match="chmod 600"):
        read_or_make_token(place)


def test_a_token_that_another_user_keeps_for_us_is_taken_as_a_container_mounts_it(tmp_path, monkeypatch):
    place = tmp_path / "dashboard_token"
    place.write_text("the token of a secret")
    place.chmod(0o444)
    monkeypatch.setattr(os, "geteuid", lambda: place.stat().st_uid + 1)
    assert read_or_make_token(place) == "the token of a secret"
