"""Generated settings and logs: the parts without a server."""

from pathlib import Path

import pytest

from iqstream.embedded import account
from iqstream.embedded.kafka import Kafka, broker_properties
from iqstream.embedded.postgres import Postgres
from iqstream.embedded.s3 import S3, weed_options
from iqstream.embedded.server_log import begin_log, tail
from iqstream.embedded.stack import environment_file
from iqstream.embedded.state import StackState, new_state
from iqstream.runtime.errors import UserError
from iqstream.runtime.settings import load_settings


@pytest.fixture
def state() -> StackState:
    state = new_state()
    state.ports = {
        "kafka": {"client": 12_001, "controller": 12_002},
        "postgres": {"client": 12_003},
        "s3": {"s3": 12_004, "master": 12_005, "volume": 12_006, "filer": 12_007, "admin": 12_008},
    }
    return state


def test_the_broker_listens_on_loopback_and_bounds_what_it_keeps() -> None:
    properties = broker_properties({"client": 12_001, "controller": 12_002})
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:12001,CONTROLLER://127.0.0.1:12002"
    assert properties["log.retention.check.interval.ms"] == "10000"
    assert properties["log.segment.delete.delay.ms"] == "1000"
    assert properties["offsets.retention.minutes"] == str(2**31 - 1)
    assert properties["transaction.abort.timed.out.transaction.cleanup.interval.ms"] == "1000"
    assert properties["auto.create.topics.enable"] == "false"
    assert "message.max.bytes" not in properties


def test_the_object_store_listens_on_loopback_and_reports_to_nobody(state: StackState) -> None:
    lines = weed_options(state.ports["s3"], "key").splitlines()
    assert {"ip=127.0.0.1", "ip.bind=127.0.0.1", "master.telemetry=false", "webdav=false"} <= set(lines)


def test_the_environment_file_is_what_the_settings_read(tmp_path: Path, state: StackState) -> None:
    text = environment_file(Kafka(tmp_path, state), Postgres(tmp_path, state), S3(tmp_path, state), state)
    (tmp_path / "env").write_text(text)
    settings = load_settings({"IQSTREAM_STATE_DIR": str(tmp_path)})
    assert settings.kafka_bootstrap == "127.0.0.1:12001"
    assert settings.postgres_dsn == f"postgresql://iqstream:{state.postgres_password}@127.0.0.1:12003/iqstream"
    assert (settings.s3_endpoint, settings.s3_secure) == ("127.0.0.1:12004", False)
    assert (settings.s3_access_key, settings.s3_secret_key) == (state.s3_access_key, state.s3_secret_key)


def test_each_server_owns_its_own_command_and_no_other_directorys(tmp_path: Path, state: StackState) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for kind in (Kafka, Postgres, S3):
        command = kind(here, state).launch(state.ports[kind.name]).command
        assert kind(here, state).owns(command)
        assert not kind(there, state).owns(command)
        assert not kind(here, state).owns(("vi", *command[1:]))
        assert not kind(here, state).owns(())


def test_the_tools_of_a_killed_first_start_belong_to_the_server(tmp_path: Path, state: StackState) -> None:
    class Seen:
        def __init__(self, *command: str) -> None:
            self.command = list(command)

        def cmdline(self) -> list[str]:
            return self.command

    kafka, postgres = Kafka(tmp_path, state), Postgres(tmp_path, state)
    initdb = Seen("/x/initdb", "-D", f"{tmp_path}/postgres/data.new-1")
    storage_tool = Seen("/x/java", "kafka.tools.StorageTool", f"{tmp_path}/kafka/data.new-1.properties")
    assert postgres.belongs(initdb)  # type: ignore[arg-type]
    assert kafka.belongs(storage_tool)  # type: ignore[arg-type]
    assert not postgres.belongs(Seen("/x/ls", *initdb.command[1:]))  # type: ignore[arg-type]
    assert not kafka.belongs(Seen("/x/java", f"{tmp_path}/elsewhere"))  # type: ignore[arg-type]


def test_no_secret_is_in_a_command_and_no_variable_of_ours_reaches_a_server(
    tmp_path: Path, state: StackState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx1m")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("PGPORT", "1")
    secrets = (state.postgres_password, state.s3_secret_key, state.s3_signing_key)
    for kind in (Kafka, Postgres, S3):
        launch = kind(tmp_path, state).launch(state.ports[kind.name])
        assert not any(secret in part for secret in secrets for part in launch.command)
        assert set(launch.environment) <= {"PATH", "HOME", "LANG", "TZ"}


def test_a_log_begins_empty_and_the_last_one_is_kept_within_bounds(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    begin_log(log)
    assert log.read_bytes() == b""
    log.write_text("short\n")
    begin_log(log)
    assert (log.read_bytes(), (tmp_path / "kafka.log.1").read_text()) == (b"", "short\n")
    with log.open("w") as stream:
        stream.writelines(f"line {number}\n" for number in range(600_000))
    begin_log(log)
    kept = (tmp_path / "kafka.log.1").read_text()
    assert len(kept) <= 4 * 2**20
    assert kept.startswith("line ")
    assert kept.endswith("line 599999\n")
    assert log.stat().st_mode & 0o077 == 0


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"{number}\n" for number in range(100_000)))
    assert tail(log, lines=2) == "  | 99998\n  | 99999"
    assert "empty" in tail(tmp_path / "none")


def test_the_first_closed_directory_on_the_way_is_found(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "in").mkdir(parents=True)
    closed.chmod(0o700)
    tmp_path.chmod(0o700)
    found = account.closed_to_others(closed / "in" / "data")
    assert found is not None
    assert (closed / "in").is_relative_to(found)


def test_an_ordinary_user_needs_no_other_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iqstream.embedded.account.os.geteuid", lambda: 1000)
    assert account.account_for([Path("/root/x")]) is None


def test_root_behind_a_closed_directory_without_the_tool_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr("iqstream.embedded.account.os.geteuid", lambda: 0)
    monkeypatch.setattr("iqstream.embedded.account.shutil.which", lambda _: None)
    with pytest.raises(UserError, match="setpriv"):
        account.account_for([tmp_path / "data"])
