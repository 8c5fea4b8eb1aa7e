"""What `iqstream generate` prints of a submission: to people, and to programs."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from iqstream.cli import generate as command
from iqstream.cli import watching
from iqstream.client.asynchronous import AsyncClient
from iqstream.client.results import Submission
from iqstream.runtime.errors import Failed
from iqstream.runtime.readable import Rows
from iqstream.runtime.settings import load_settings as settings_of
from iqstream.submit.estimate import estimate as estimated
from iqstream.watch.progress import reckon
from tests.unit.runtime.test_settings import COMPLETE
from tests.unit.watch.test_watch import dataset


@pytest.fixture
def generate(monkeypatch, tmp_path):
    """Runs the command without servers; `twins` are there already, `end` is what watching comes to."""

    def run(*arguments, twins=(), end=None):
        async def submit(_client, spec, **_):
            return Submission(spec=spec, same_recordings=Rows(twins))

        async def watch(_events, console):
            console.print("Test: generated 1")
            return reckon(end, end.requested, 0, 0)

        async def estimate(_client, spec):
            return estimated(spec, settings_of(COMPLETE), samples_per_s=10.0)

        monkeypatch.setattr(AsyncClient, "estimate", estimate)
        monkeypatch.setattr(AsyncClient, "submit", submit)
        monkeypatch.setattr(watching, "show_progress", watch)
        environ = COMPLETE | {"IQSTREAM_STATE_DIR": str(tmp_path)}
        return CliRunner(env=environ).invoke(command.generate, ["--name", "Test", "--samples", "7", *arguments])

    return run


def test_what_it_will_cost_and_give_is_told_before_and_in_json(generate):
    told = generate("--seed", "41").stdout
    assert told.index("of 7 samples accepted") < told.index("Submitted")
    assert "from 7 link budgets" in told
    assert "about 1 s at this stack's rate" in told
    found = json.loads(generate("--json", "--seed", "41").stdout)["estimate"]
    assert found["acceptance"]["budgets"] == found["samples"] == 7
    assert (found["frames_bytes"], found["iq_bytes"]) == (7 * 7 * 200_000 * 4, 7 * 7 * 200_000 * 8)
    assert found["seconds"] == pytest.approx(0.7)


def test_every_dataset_gets_a_seed_of_its_own_unless_one_is_named(generate):
    told = [json.loads(generate("--json").stdout)["spec"]["seed"] for _ in range(20)]
    assert len(set(told)) == 20
    assert all(0 <= seed < 2**53 for seed in told)
    for named in (0, 5, 2**63 - 1):
        assert json.loads(generate("--json", "--seed", str(named)).stdout)["spec"]["seed"] == named


def test_people_are_told_the_seed_and_whose_recordings_are_the_same(generate):
    twin = replace(dataset(), id="another-id", name="Before")
    gone = replace(dataset(status="deleted"), id="gone-id")
    ended = generate("--seed", "41", twins=[twin, gone])
    assert "Submitted 'Test': 7 samples, seed 41, dataset " in ended.stdout
    assert "the same recordings as dataset another-id ('Before'): seed 41" in ended.stderr
    assert "gone-id" not in ended.output
    assert json.loads(generate("--json", twins=[twin, gone]).stdout)["same_recordings_as"] == ["another-id"]


def test_in_json_standard_output_is_json_though_the_dataset_is_watched(generate):
    ended = generate("--json", "--watch", end=dataset(requested=7, accepted=7, status="complete"))
    assert ended.exit_code == 0
    assert json.loads(ended.stdout)["spec"]["samples"] == 7
    assert "Test: generated 1" in ended.stderr


def test_watching_a_submission_of_which_every_sample_failed_is_no_success(generate):
    ended = generate("--watch", end=dataset(requested=7, failed=7, status="complete"))
    assert isinstance(ended.exception, Failed)
    assert ended.exception.exit_code == 1


def test_time_differences_are_asked_for_by_an_option(generate):
    specs = [json.loads(generate("--json", *asked).stdout)["spec"] for asked in ((), ("--pairs",))]
    assert [(spec["pairs"], spec["publish"]) for spec in specs] == [(False, "frames"), (True, "frames")]
