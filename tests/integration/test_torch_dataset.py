"""The stream as a PyTorch dataset, on a real torch: Debian's CPU build where there is one."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.feature_topics import filled_topic
from tests.integration.pipeline import Pipeline

pytestmark = pytest.mark.stack
SAMPLES = 120
EXAMPLES = Path(__file__).parents[2] / "examples"
EXAMPLE = EXAMPLES / "train_torch.py"


@pytest.fixture(scope="module")
def told(settings, tmp_path_factory, torch_path):
    """What one process with torch tells of everything that it tried."""
    topic, _ = asyncio.run(filled_topic(settings, SAMPLES))
    ended = subprocess.run(
        [sys.executable, "-m", "tests.integration.torch_process",
         json.dumps({"topic": topic, "site_packages": torch_path})],
        env=Pipeline(settings, tmp_path_factory.mktemp("torch") / "log").environment(),
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_loader_workers_share_an_epoch_out_and_another_number_of_them_goes_on(told):
    assert len(told["before"]) == 28
    assert sorted(told["before"] + told["after"]) == list(range(SAMPLES))
    assert sorted(told["next"]) == list(range(SAMPLES))
    assert told["epochs"] == [[SAMPLES] * 3] * 3
    assert told["shares_memory"]


def test_a_loader_makes_batches_of_samples_and_never_of_batches(told):
    assert told["loaders_batches"] == list(range(SAMPLES))
    assert "DataLoader(dataset, batch_size=None)" in told["refused"]


def test_a_stateful_loader_goes_on_from_its_own_state(told):
    if told["stateful"] is None:
        pytest.skip(f"StatefulDataLoader needs torch 2, here is {told['torch']}: make test-torch2")
    assert told["stateful"] == [list(range(SAMPLES))] * 4


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_over_gloo_train_in_step_and_see_every_sample(settings, tmp_path, torch_path, ranks):
    topic, _ = asyncio.run(filled_topic(settings, 40))
    run_example = (
        f"import sys, runpy; sys.path.append({torch_path!r}); sys.argv = {['train_torch.py', '--topic', topic]!r} + "
        f"['--ranks', '{ranks}', '--json']; runpy.run_path({str(EXAMPLE)!r}, run_name='__main__')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", run_example],
        env=Pipeline(settings, tmp_path / "log").environment() | {"PYTHONPATH": str(EXAMPLE.parents[1])},
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["ranks"] == ranks
    assert len(set(told["batches"])) == 1
    assert sorted(set(told["samples"])) == list(range(40))
    assert len(set(told["weights"])) == 1


def test_a_set_network_does_not_mind_the_order_of_receivers_and_begins_at_its_start(torch_path):
    """With weights as after learning for the first, as before it for the second."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.integration.set_network_process", torch_path],
        env={"PYTHONPATH": f"{EXAMPLES.parent}:{EXAMPLES}", "PATH": ""},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["order"] < 1e-4 < told["other_levels"]
    assert told["learnt_step"] > 0.1
    assert told["begins_off"] < 0.05
    assert told["loss_falls"] > 0.1


def test_without_torch_the_import_says_what_to_do():
    hidden = "import sys; sys.modules['torch'] = None; import iqstream.dataset.torch"
    ended = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "python3-torch" in ended.stderr.splitlines()[-1]
