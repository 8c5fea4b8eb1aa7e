"""The command and Python blocks of the README and of the pages that it sends a newcomer to, run as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from iqstream.runtime.settings import PREFIX

pytestmark = pytest.mark.stack

README = Path("README.md").read_text(encoding="utf-8")
PAGES = [README, *(Path("docs", name).read_text(encoding="utf-8") for name in ("running.md", "architecture.md"))]
FENCED = [block for page in PAGES for block in re.findall(r"```(\w*)\n(.*?)```", page, flags=re.DOTALL)]
BLOCKS = [text for language, text in FENCED if not language]
PYTHON_BLOCKS = [text for language, text in FENCED if language == "python"]


def block_with(words):
    return next(text for text in BLOCKS if words in text)


def run(script, folder):
    """Runs a block as an interactive shell would: with jobs, and stopping at the first error."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-m", "-c", script],
        env=clean | {"PATH": path}, cwd=folder, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def test_the_stages_are_run_by_hand_from_up_to_down(tmp_path):
    ended = run(block_with("iqstream up"), tmp_path)
    told = ended.stdout + ended.stderr
    assert ended.returncode == 0, told
    assert re.search(r"^Generation complete: \d+ samples, \d+ IQ samples saved to MinIO$", ended.stdout, re.MULTILINE)
    assert re.search(r"^My first dataset +complete +100 ", ended.stdout, re.MULTILINE)
    assert ended.stdout.rstrip().endswith("Stopped: kafka, postgres, s3."), told
    assert "Traceback" not in told


def test_init_prepares_servers_that_are_given_by_settings(tmp_path, settings):
    def real(match):
        name, is_file = match[1].removesuffix("_FILE"), match[1].endswith("_FILE")
        value = str(getattr(settings, name.removeprefix(PREFIX).lower()))
        if is_file:
            (tmp_path / name).write_text(value)
        return f"export {match[1]}={tmp_path / name if is_file else value}"

    script = re.sub(r"export (\w+)=(\S+)", real, block_with("export IQSTREAM_KAFKA_BOOTSTRAP"))
    ended = run(script, tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Everything is in place" in ended.stdout


@pytest.mark.parametrize("block", PYTHON_BLOCKS)
def test_a_block_of_python_runs_as_it_stands(block):
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", block], capture_output=True, text=True, timeout=240, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert re.fullmatch(r"torino: 200000 samples, measured SNR -?\d+\.\d\d dB\n", ended.stdout)


def test_no_option_is_promised_that_the_command_line_does_not_have():
    """Options in the README's commands."""
    reference = Path("docs/reference/cli.md").read_text(encoding="utf-8")
    ours = [
        line
        for line in re.findall(r"`([^`\n]+)`", README) + README.splitlines()
        if line.lstrip().startswith("iqstream ")
    ]
    promised = {option for line in ours for option in re.findall(r"(?<=\s)--[a-z-]+", line)}
    assert len(promised) > 5
    assert {option for option in promised if not re.search(rf"^\s+.*{option}\b", reference, re.MULTILINE)} == set()
