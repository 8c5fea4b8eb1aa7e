"""The stream as a PyTorch dataset, on a real torch: Debian's CPU build where there is one."""

import asyncio
import json
import os
import subprocess
import sys

import pytest

from tests.integration.feature_topics import filled_topic
from tests.integration.pipeline import Pipeline

pytestmark = pytest.mark.stack
SITE_PACKAGES = "/usr/lib/python3/dist-packages"
"""Debian's, whose Python must be of our version."""
SAMPLES = 120


@pytest.fixture(scope="module")
def torch_path():
    """A directory that torch can be imported from."""
    probe = f"import sys; sys.path.append({SITE_PACKAGES!r}); import torch"
    ended = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    if ended.returncode:
        reason = f"no torch for this Python: apt install python3-torch ({ended.stderr.strip().splitlines()[-1]})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return SITE_PACKAGES


def test_loader_workers_share_an_epoch_out_and_another_number_of_them_goes_on(settings, tmp_path, torch_path):
    topic, _ = asyncio.run(filled_topic(settings, SAMPLES))
    ended = subprocess.run(
        [sys.executable, "-m", "tests.integration.torch_process",
         json.dumps({"topic": topic, "site_packages": torch_path})],
        env=Pipeline(settings, tmp_path / "log").environment(),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    assert len(told["before"]) == 28
    assert sorted(told["before"] + told["after"]) == list(range(SAMPLES))
    assert sorted(told["next"]) == list(range(SAMPLES))
    assert told["epochs"] == [[SAMPLES] * 3] * 3
    assert told["shares_memory"]


def test_without_torch_the_import_says_what_to_do():
    hidden = "import sys; sys.modules['torch'] = None; import iqstream.dataset.torch"
    ended = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "python3-torch" in ended.stderr.splitlines()[-1]
