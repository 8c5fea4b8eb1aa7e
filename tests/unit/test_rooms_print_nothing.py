"""What people do prints nothing: only the command line reaches a terminal."""

import re
from pathlib import Path

import pytest

MODULES = [
    path
    for path in sorted(Path("iqstream").rglob("*.py"))
    if path.parts[1] != "cli" and path != Path("iqstream/__main__.py")
]
_TERMINAL = re.compile(r"^\s*(?:from|import) (iqstream\.cli|rich|click)\b", re.MULTILINE)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_no_room_imports_what_prints(path):
    assert _TERMINAL.findall(path.read_text(encoding="utf-8")) == []


def test_the_rule_can_fail():
    assert len(MODULES) > 100
    assert _TERMINAL.search(Path("iqstream/cli/console.py").read_text(encoding="utf-8"))
