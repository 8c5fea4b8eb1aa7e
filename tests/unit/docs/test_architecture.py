"""Every path, test and import contract that docs/architecture.md names exists, and it names every contract and room."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

PAGE = Path("docs/architecture.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`([a-z_]+/[\w/.]*)(?:::(\w+))?`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMES, ids=lambda value: value or None)
def test_what_the_page_names_exists(path, name):
    assert Path(path).is_dir() if path.endswith("/") else Path(path).is_file()
    if name:
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
        assert name in {getattr(node, "name", None) for node in tree.body}


def test_every_guarantee_names_a_test():
    table = PAGE.split("## Where each guarantee comes from")[1]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    assert [row for row in rows if not re.search(r"`tests/[\w/]+\.py::\w+`", row)] == []


def test_every_import_contract_is_on_the_page():
    contracts = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    assert [contract["name"] for contract in contracts if f"**{contract['name']}**" not in PAGE] == []


def test_every_room_is_on_the_page():
    rooms = [path.parent for path in Path("iqstream").glob("*/__init__.py")]
    assert len(rooms) > 10
    assert [str(room) for room in rooms if f"`{room}/`" not in PAGE] == []
