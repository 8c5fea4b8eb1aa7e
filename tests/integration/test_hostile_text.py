"""Every command that prints what is stored: whatever a name or a message holds, and whatever takes the output."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from iqstream.runtime.kafka import transactional_producer
from iqstream.runtime.records import dead_letter, send_all
from iqstream.runtime.topics import FRAMES
from tests.integration.pipeline import Pipeline, small_spec, submit_dataset
from tests.unit.cli.test_console import INTACT
from tests.unit.runtime.test_terminal import HOSTILE, is_obeyed

pytestmark = pytest.mark.stack

STORED = HOSTILE.replace("\x00", "").replace("\udcff", "")  # PostgreSQL and UTF-8 have neither
ORIGIN = f"{FRAMES}:0:4711"


@pytest.fixture(scope="module")
def dataset_id(settings):
    """A cancelled dataset with a hostile name and a failed sample, and a hostile dead letter, on the servers."""
    spec = small_spec(2)
    asyncio.run(submit_dataset(settings, spec))
    asyncio.run(make_hostile(settings, spec.dataset_id))
    return spec.dataset_id


async def make_hostile(settings, dataset_id):
    failures = json.dumps({"failures": [{"stage": STORED, "error": STORED, "message": STORED}]})
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        await connection.execute(
            "UPDATE heimdall.datasets SET name = $2, status = 'cancelled', failed = 1 WHERE id = $1::uuid",
            dataset_id, STORED,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO heimdall.sample_outcomes (dataset_id, dataset_version, sample_idx, outcome, reason, figures, "
            "generation, first_outcome, lineage) VALUES ($1::uuid, 1, 0, 'failed', $2, $3::jsonb, 0, 'failed', '{}')",
            dataset_id, STORED, failures,
        )  # fmt: skip
    finally:
        await connection.close()
    headers = [(STORED, STORED.encode())]
    record = ConsumerRecord(FRAMES, 0, 4711, 0, 0, STORED.encode(), b"\xc1", None, 0, 0, headers)
    letter = dead_letter(record, stage="extractor", error=ValueError(STORED), topic_id=UUID(int=9))
    sender = transactional_producer(settings, "a-hostile-letter")
    await sender.start()
    try:
        async with sender.transaction():
            await send_all(sender, [letter])
    finally:
        await sender.stop()


def commands(dataset_id):
    """Every command that prints something stored, and whether it names the dataset or the message as it is stored."""
    return {
        ("datasets", "list"): True,
        ("datasets", "list", "--json"): False,
        ("datasets", "show", dataset_id): True,
        ("datasets", "show", STORED): True,
        ("datasets", "show", dataset_id, "--json"): False,
        ("datasets", "show", f"no {STORED}"): True,
        ("datasets", "watch", dataset_id): True,
        ("datasets", "cancel", dataset_id): True,
        ("datasets", "resume", dataset_id): True,
        ("datasets", "end", dataset_id): True,
        ("datasets", "delete", dataset_id): True,
        ("datasets", "verify", dataset_id, "--recompute", "0"): True,
        ("datasets", "export", dataset_id, "--format", "csv", "--output", "/dev/null", "--force"): False,
        ("datasets", "cleanup", "--older-than", "0s"): True,
        ("dead-letters", "list", "--limit", "1000"): False,
        ("dead-letters", "list", "--json"): False,
        ("dead-letters", "show", ORIGIN): True,
        ("dead-letters", "retry", ORIGIN): False,
        ("dead-letters", "retry", ORIGIN, "--execute"): False,
        ("replay", "--dataset", dataset_id): True,
        ("replay", "--stage", "producer", "--to-latest"): True,
        ("stream", "--dataset", dataset_id): False,
        ("lag", "--group", STORED): True,
        ("lag", "--group", STORED, "--json"): False,
        ("generate", "--name", f"{STORED} 2", "--samples", "1", "--capture-ms", "20", "--reuse-name"): False,
        ("status", "--state-dir", STORED): False,
    }


@pytest.fixture(scope="module")
def told(settings, dataset_id, tmp_path_factory):
    """Exit code, output and errors by command and what took its output; some of all for each way to print."""
    every = list(commands(dataset_id))
    some = [
        ("datasets", "list"),
        ("datasets", "show", dataset_id),
        ("datasets", "watch", dataset_id),
        ("lag", "--group", STORED),
    ]
    asked = [(command, output) for output in ("utf-8", "full") for command in every]
    asked += [(command, output) for output in ("ascii", "closed") for command in some]
    environment = Pipeline(settings, tmp_path_factory.mktemp("hostile") / "log").environment()
    ended = subprocess.run(
        [sys.executable, "-m", "tests.integration.forked_commands"],
        env=environment | {"PYTHONPATH": str(Path.cwd())}, input=json.dumps(asked),
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return dict(zip(asked, json.loads(ended.stdout), strict=True))


def test_no_command_lets_a_terminal_obey_what_is_stored_or_changes_it(told, dataset_id):
    names = commands(dataset_id)
    for (command, output), (code, out, err) in told.items():
        whole = {"utf-8": INTACT, "ascii": INTACT.replace("\u00e9", r"\xe9")}.get(output)
        assert "Traceback" not in out + err, (command, output, out, err)
        assert code in {0, 1, 2, 3}, (command, code, out, err)
        assert not any(is_obeyed(character) for character in (out + err).replace("\n", "")), (command, out, err)
        assert whole is None or not names[command] or whole in out + err, (command, output, out, err)


def untimed(log):
    """Lines of a log without their times."""
    return re.sub(r"^[0-9-]{10}T[0-9:.+]+ ", "", log, flags=re.MULTILINE)


def test_a_command_whose_output_is_lost_fails_and_says_so_in_a_line(told):
    for (command, output), (lost_code, _, lost_err) in told.items():
        if output in {"full", "closed"}:
            code, out, err = told[command, "utf-8"]
            if out:
                assert lost_code == 1, (command, output, lost_err)
                assert lost_err.splitlines()[-1].startswith("Error: standard output cannot be written: "), command
            else:
                assert (lost_code, untimed(lost_err)) == (code, untimed(err)), (command, output)


def test_a_device_is_not_replaced_by_an_export(told):
    export = next(command for command, _ in told if command[1] == "export")
    code, _, err = told[export, "utf-8"]
    assert (code, "/dev/null is not a regular file" in err) == (2, True)
    assert Path("/dev/null").is_char_device()
