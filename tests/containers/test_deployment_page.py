"""The command blocks of docs/deployment.md, run as they stand and in their order."""

import re
import subprocess

import pytest

from tests.containers.compose import ROOT

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]
PAGE = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def folder(stack, tmp_path_factory):
    """As the project's folder, for what is written to stay out of it."""
    made = tmp_path_factory.mktemp("project")
    (made / "deploy").symlink_to(ROOT / "deploy")
    return made


@pytest.mark.parametrize("block", BLOCKS, ids=[block.splitlines()[-1][:60] for block in BLOCKS])
def test_a_block_runs_as_it_stands(stack, folder, block):
    ended = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", block],
        cwd=folder, env=stack.environment | {"COMPOSE_FILE": str(ROOT / "docker-compose.yml")},
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    told = ended.stdout + ended.stderr
    assert ended.returncode == 0, f"{told}\n{stack.last_words()}"
    assert "Traceback" not in told
    if "generate" in block:
        assert "Generation complete: " in told
    if "pg_restore" in block:
        listed = stack.run("run", "--rm", "cli", "datasets", "list")
        assert re.search(r"^quickstart +complete +100 ", listed, re.MULTILINE)
