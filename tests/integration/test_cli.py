"""What the command line says and how it exits, as a person or a script meets it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from uuid import uuid4

import click
import pytest
from click.testing import CliRunner

from iqstream.cli.main import iqstream as command_line
from iqstream.runtime.postgres_address import parse_dsn
from tests.integration.pipeline import Pipeline
from tests.recorded import write_recordings

pytestmark = pytest.mark.stack


@pytest.fixture
def run(settings, tmp_path):
    """Runs `iqstream ...` on the test servers; keyword arguments change settings."""

    def run_command(*arguments, **changes):
        environment = Pipeline(replace(settings, **changes), tmp_path / "log").environment()
        return subprocess.run(
            [sys.executable, "-m", "iqstream", *arguments],
            env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip

    return run_command


def a_name():
    return f"cli {uuid4().hex[:8]}"


def generate(name, *more):
    return ("generate", "--name", name, "--samples", "2", "--capture-ms", "20", *more)


def says(ended, code, *fragments):
    """Exit code and words of a command that a person can act on: no traceback."""
    told = ended.stdout + ended.stderr
    assert ended.returncode == code, told
    assert "Traceback" not in told
    for fragment in fragments:
        assert fragment in told


def test_a_submission_names_its_dataset_and_lists_it(run):
    name = a_name()
    ended = run(*generate(name, "--json"))
    says(ended, 0)
    dataset_id = json.loads(ended.stdout)["dataset_id"]
    listed = json.loads(run("datasets", "list", "--json").stdout)
    assert [(d["name"], d["requested"]) for d in listed if d["id"] == dataset_id] == [(name, 2)]
    says(run("datasets", "show", name), 0, dataset_id, "requested")
    says(run("datasets", "cancel", name), 0, "Cancelled")
    says(run("datasets", "cancel", name), 2, "cancelled already")


def test_a_name_in_use_is_refused_unless_asked_for(run):
    name = a_name()
    says(run(*generate(name)), 0)
    says(run(*generate(name)), 2, "in use", "--reuse-name")
    says(run(*generate(name, "--reuse-name")), 0)


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (("--samples", "0"), ("--samples: 0 is below 1",)),
        (("--frequency", "abc"), ("--frequency", "144MHz")),
        (("--frequency", "900MHz"), ("--frequency: 900 MHz is above 500 MHz",)),
        (("--min-receivers", "8"), ("--min-receivers", "8 of 7")),
        (("--max-gdop", "nan"), ("--max-gdop", "nan")),
        (("--receivers", "absent.csv"), ("absent.csv",)),
        (("--nonsense",), ("--nonsense",)),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(run, arguments, fragments):
    says(run(*generate(a_name()), *arguments), 2, *fragments)


@pytest.fixture
def invoke(settings, tmp_path):
    """Runs `iqstream ...` within this process: the exit code, standard output, and all that was said."""
    environment = Pipeline(settings, tmp_path / "log").environment()

    def run_command(*arguments):
        ended = CliRunner(env=environment).invoke(command_line, arguments)
        code = getattr(ended.exception, "exit_code", ended.exit_code)
        return code, ended.stdout, ended.output + (str(ended.exception) if ended.exception else "")

    return run_command


def recordings_in(folder, **files):
    """A folder of one recording of three receivers, and what else is said."""
    folder.mkdir()
    write_recordings(folder, 0.2)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("files", "arguments", "code", "fragments"),
    [
        ({}, (), 0, ("2 samples of 6 windows",)),
        ({"empty_1M_48k__cu8": b""}, (), 1, ("empty_1M_48k.cu8", "the rest is ingested")),
        ({"odd_1M_48k__cu8": bytes(9_601)}, (), 1, ("odd_1M_48k.cu8", "the rest is ingested")),
        ({"no__wav": b"RIFX"}, (), 1, ("no.wav", "big-endian")),
        ({"twice__sigmf-meta": b'{"global": {}, "global": {}}'}, (), 1, ("global is said twice",)),
        ({}, ("--window-ms", "60000"), 1, ("holds no whole window", "there is no dataset")),
        ({}, ("--to-rate", "1MHz"), 1, ("down only", "there is no dataset")),
        ({}, ("--window-ms", "0"), 2, ("--window-ms",)),
        ({}, ("--at", "rx0=91,0"), 2, ("--at", "latitude")),
        ({}, ("--calibration", "rx9=-20"), 2, ("rx9 is none of rx0, rx1, rx2",)),
        ({}, ("nowhere/",), 2, ("there is no nowhere",)),
        ({}, ("--min-receivers", "2.5"), 2, ("--min-receivers",)),
    ],
)
def test_ingest_tells_by_its_exit_code_whether_all_was_read(invoke, tmp_path, files, arguments, code, fragments):
    folder = recordings_in(tmp_path / "files", **files)
    name = a_name()
    ended, _, told = invoke("ingest", "--name", name, "--window-ms", "100", str(folder), *arguments)
    assert ended == code, told
    for fragment in fragments:
        assert fragment in told
    if code == 0:
        assert invoke("ingest", "--name", name, "--window-ms", "50", str(folder))[0] == 2


def test_of_a_file_that_a_recorder_writes_nothing_is_ingested_until_it_is_whole(invoke, tmp_path):
    folder, name, whole = recordings_in(tmp_path / "files"), a_name(), threading.Event()

    def grow():
        with (folder / "rx1.sigmf-data").open("ab", buffering=0) as recorder:
            while not whole.is_set():
                recorder.write(bytes(2))

    recorder = threading.Thread(target=grow)
    recorder.start()
    try:
        code, _, told = invoke("ingest", "--name", name, "--window-ms", "100", "--json", str(folder))
    finally:
        whole.set()
        recorder.join()
    assert code == 1
    assert "rx1.sigmf-data" in told
    assert "has changed since it was opened" in told
    done = json.loads(told[: told.rindex("}") + 1])
    assert (done["samples"], done["windows"]) == (2, 4)
    again = json.loads(invoke("ingest", "--name", name, "--window-ms", "100", "--json", str(folder))[1])
    assert again["failures"] == []
    assert (again["known_windows"], again["windows"] == again["samples"] >= 2) == (4, True)


def test_commands_over_recordings_say_what_is_wrong_in_a_line_and_never_with_a_traceback(run, tmp_path):
    """Servers that are away, a folder that cannot be written to, and what only a real process shows."""
    folder = recordings_in(tmp_path / "files", **{"\x1b[31m__npy": b"\x93NUMPY"})
    ingest = ("ingest", "--name", a_name(), "--window-ms", "100", str(folder))
    says(run(*ingest), 1, "x1b[31m.npy", "the rest is ingested")
    says(run(*ingest, postgres_dsn="postgresql://x@127.0.0.1:1/x"), 3, "127.0.0.1:1")
    listen = ("listen", "--name", a_name(), "--frequency", "1M", "--gain", "1", "a=rtl_tcp://127.0.0.1:1")
    says(run(*listen), 3, "127.0.0.1:1")
    says(run(*listen, "--record", "/proc/kept"), 2, "--record /proc/kept")


def test_a_seed_is_drawn_told_and_stored_and_equal_recordings_are_said(invoke):
    first, other = (json.loads(invoke(*generate(a_name(), "--json"))[1]) for _ in range(2))
    assert first["spec"]["seed"] != other["spec"]["seed"]
    assert first["same_recordings_as"] == other["same_recordings_as"] == []
    seed = str(first["spec"]["seed"])
    assert json.loads(invoke("datasets", "show", first["dataset_id"], "--json")[1])["spec"]["seed"] == int(seed)
    longer = ("--seed", seed, "--samples", "3", "--min-snr", "9", "--iq-samples", "0")
    again = json.loads(invoke(*generate(a_name()), *longer, "--json")[1])
    assert again["same_recordings_as"] == [first["dataset_id"]]
    code, told, all_told = invoke(*generate(a_name()), *longer)
    assert (code, f"seed {seed}" in told) == (0, True)
    for dataset_id in (first["dataset_id"], again["dataset_id"]):
        assert f"the same recordings as dataset {dataset_id}" in all_told
    assert "same recordings" not in invoke(*generate(a_name()), "--seed", seed, "--frequency", "145MHz")[2]


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (("--capture-ms", "1500"), ("capture_ms of at most 13", "iq.frames")),
        (("--capture-ms", "60000"), ("--capture-ms 60000", "capture_ms of at most 13")),
        (("--capture-ms", "60001"), ("--capture-ms 60001", "capture_ms of at most 13")),
        (("--capture-ms", "0"), ("--capture-ms: 0 ms is below 1 ms",)),
        (("--name", "a\nb"), ("name: character 2", "'\\n'")),
        (("--name", "a\x1b[31mb"), ("name: character 2",)),
        (("--name", "6D1B6B0E6F0C4D7A9F558E1D7F6F2A10"), ("looks like a dataset's id",)),
        (("--seed", str(2**63)), ("--seed", str(2**63 - 1))),
        (("--seed", "-1"), ("--seed: -1 is below 0",)),
        (("--samples", "10000001"), ("--samples", "10000000")),
        (("--min-snr", "nan"), ("--min-snr",)),
        (("--max-gdop", "inf"), ("--max-gdop",)),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_stored(invoke, arguments, fragments):
    before = invoke("datasets", "list", "--json")[1]
    code, _, told = invoke(*generate(a_name()), *arguments)
    assert code == 2, told
    for fragment in fragments:
        assert fragment in told
    assert invoke("datasets", "list", "--json")[1] == before


@pytest.mark.parametrize("text", ["144 MHz", "144e6", "144000000", "0.144GHz"])
def test_a_frequency_is_understood_as_people_write_it(run, text):
    ended = run(*generate(a_name(), "--json", "--frequency", text))
    assert json.loads(ended.stdout)["spec"]["frequency_hz"] == 144e6


def test_an_error_in_a_receivers_file_is_named_with_its_line(run, tmp_path):
    (tmp_path / "net.csv").write_text("rx_id,latitude,longitude,altitude_m\na,45,7,1\nb,46,8,1\nc,46,eight,1\n")
    says(run(*generate(a_name(), "--receivers", "net.csv")), 2, "net.csv, line 4", "longitude")


def test_all_wrong_settings_are_told_at_once(tmp_path):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IQSTREAM_")}
    ended = subprocess.run(
        [sys.executable, "-m", "iqstream", "datasets", "list"],
        env=clean | {"IQSTREAM_PARTITIONS": "many", "IQSTREAM_POSTGRES_DNS": "geheim"},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    says(ended, 2, "IQSTREAM_KAFKA_BOOTSTRAP", "POSTGRES_DSN is not set", "IQSTREAM_PARTITIONS", "iqstream up")
    assert ended.stderr.count("IQSTREAM_POSTGRES_DNS is not a setting of iqstream") == 1
    assert "geheim" not in ended.stderr


@pytest.mark.parametrize(
    ("command", "change", "fragments"),
    [
        (generate("x"), {"kafka_bootstrap": "127.0.0.1:1"}, ("Kafka at 127.0.0.1:1", "iqstream up")),
        (("lag",), {"kafka_bootstrap": "127.0.0.1:1"}, ("Kafka at 127.0.0.1:1",)),
        (("datasets", "list"), {"postgres_dsn": "postgresql://u:geheim@127.0.0.1:1/x"}, ("PostgreSQL at 127.0.0.1:1",)),
        (("init",), {"s3_endpoint": "127.0.0.1:1"}, ("object store at 127.0.0.1:1", "IQSTREAM_S3_ENDPOINT")),
    ],
)
def test_what_does_not_answer_is_named_and_no_secret_is_shown(run, command, change, fragments):
    ended = run(*command, **change)
    says(ended, 3, *fragments)
    assert "geheim" not in ended.stdout + ended.stderr
    assert "not-the-key" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("command", [("datasets", "list"), ("sink", "--workers", "1"), ("extractor", "--workers", "1")])
def test_a_password_that_the_database_rejects_is_wrong_usage_and_nothing_waits(run, settings, command):
    address = parse_dsn(settings.postgres_dsn)
    dsn = f"postgresql://{address.user}:falsch-123@{address.hosts[0]}/{address.database}"
    ended = run(*command, postgres_dsn=dsn)
    says(ended, 2, "password authentication failed", "IQSTREAM_POSTGRES_DSN")
    assert "falsch" not in ended.stdout + ended.stderr


def test_a_key_that_the_object_store_refuses_is_told_and_not_shown(run):
    ended = run("init", s3_secret_key="not-the-key")
    says(ended, 1, "object store at", "SignatureDoesNotMatch")
    assert "not-the-key" not in ended.stdout + ended.stderr


def test_a_database_without_tables_is_told_so(run, settings):
    says(
        run("datasets", "list", postgres_dsn=settings.postgres_dsn.rsplit("/", 1)[0] + "/postgres"), 3, "iqstream init"
    )


def test_init_reports_a_topic_with_other_settings_and_leaves_it(run):
    says(run("init", partitions=5), 0, "iq.frames has 12 partitions, the settings say 5")
    says(run("init"), 0, "Everything is in place")


def test_ctrl_c_ends_watching_and_leaves_the_dataset_running(settings, tmp_path, run):
    name = a_name()
    with (tmp_path / "out").open("w") as out:
        watching = subprocess.Popen(
            [sys.executable, "-m", "iqstream", *generate(name, "--watch")],
            env=Pipeline(settings, tmp_path / "log").environment(), cwd=tmp_path, stdout=out, stderr=out,
        )  # fmt: skip
    ends_at = time.monotonic() + 60
    while "waiting: no producer is running" not in (tmp_path / "out").read_text():  # no terminal: it prints lines
        assert time.monotonic() < ends_at, (tmp_path / "out").read_text()
        time.sleep(0.05)
    watching.send_signal(signal.SIGINT)
    assert watching.wait(timeout=60) == 130
    told = (tmp_path / "out").read_text()
    assert "Traceback" not in told
    assert "Interrupted" in told
    assert f"{name}: generated" in told
    assert "start one with `iqstream producer`" in told
    states = {d["name"]: d["status"] for d in json.loads(run("datasets", "list", "--json").stdout)}
    assert states[name] in {"submitting", "running"}
    says(run("datasets", "cancel", name), 0)


def commands(group=command_line, path=()):
    """Every command, groups included, as its words."""
    yield path
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_explains_itself_with_an_example(command):
    told = CliRunner().invoke(command_line, [*command, "--help"])
    assert told.exit_code == 0
    assert "Usage: " in told.output
    assert "Example" in told.output or not command


def test_resuming_says_what_was_left_to_submit(run):
    name = a_name()
    says(run(*generate(name)), 0)
    says(run("datasets", "resume", name), 0, "was submitted whole")
    says(run("datasets", "cancel", name), 0)
    says(run("datasets", "resume", name), 2, "cancelled", "nothing to resume")
