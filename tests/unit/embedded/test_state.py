"""The state file is replaced whole, private, and refused when damaged."""

import threading
from pathlib import Path

import pytest

from iqstream.embedded.processes import ProcessRecord
from iqstream.embedded.state import load_state, locked, new_state, open_state_dir, save_state
from iqstream.runtime.errors import UserError


def test_a_saved_state_is_read_back_the_same(tmp_path: Path) -> None:
    state = new_state()
    state.ports["kafka"] = {"client": 12_345}
    state.processes["kafka"] = ProcessRecord(pid=7, started_at_s=1.5)
    save_state(tmp_path, state)
    assert load_state(tmp_path) == state


def test_only_its_owner_may_read_it_and_no_temporary_file_stays(tmp_path: Path) -> None:
    save_state(tmp_path, new_state())
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


def test_a_crash_while_saving_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = new_state()
    save_state(tmp_path, before)

    def crash(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("iqstream.embedded.state.os.fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        save_state(tmp_path, new_state())
    assert load_state(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == 1


def test_no_state_is_no_error_and_a_damaged_one_names_the_file(tmp_path: Path) -> None:
    assert load_state(tmp_path) is None
    for damaged in (b'{"cluster_id": ', b'{"cluster_id": "\xff"}', bytes(range(256))):
        (tmp_path / "state.json").write_bytes(damaged)
        with pytest.raises(UserError, match=r"state\.json cannot be read"):
            load_state(tmp_path)


def test_two_new_states_share_no_secret() -> None:
    one, other = new_state(), new_state()
    names = ("cluster_id", "postgres_password", "s3_access_key", "s3_secret_key", "s3_signing_key")
    values = [getattr(state, name) for state in (one, other) for name in names]
    assert len(set(values)) == len(values)
    assert all(len(value) >= 20 for value in values)


def test_credentials_need_no_quoting_in_an_address_or_a_file() -> None:
    for _ in range(50):
        state = new_state()
        for value in (state.postgres_password, state.s3_access_key, state.s3_secret_key, state.s3_signing_key):
            assert value.replace("-", "").replace("_", "").isalnum()


def test_the_directory_is_made_with_an_ignore_file_and_closed_to_listing(tmp_path: Path) -> None:
    path = open_state_dir(tmp_path / "a" / ".iqstream")
    assert (path / ".gitignore").read_text() == "*\n"
    assert path.stat().st_mode & 0o066 == 0
    assert open_state_dir(path) == path


def test_a_directory_that_cannot_be_made_is_a_users_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot use"):
        open_state_dir(tmp_path / "file" / ".iqstream")


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = open_state_dir(tmp_path / ".iqstream")
    owner = path.stat().st_uid
    monkeypatch.setattr("iqstream.embedded.state.os.geteuid", lambda: owner + 1)
    with pytest.raises(UserError, match=f"belongs to user id {owner}"):
        open_state_dir(path)


def test_the_lock_is_held_by_one_and_the_next_says_that_it_waits(tmp_path: Path) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        with locked(tmp_path, waiting.set):
            order.append("second")

    with locked(tmp_path, lambda: order.append("first waited")):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
