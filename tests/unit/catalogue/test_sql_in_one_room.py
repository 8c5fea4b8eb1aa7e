"""SQL is written in one room, the catalogue."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOM = ROOT / "iqstream" / "catalogue"
SQL = re.compile(
    r"\b(SELECT\b.*\bFROM|INSERT INTO|UPDATE\s+\w+\.?\w*\s+SET|DELETE FROM|CREATE (DATABASE|TABLE|ROLE)|TRUNCATE)\b"
    r"|\bheimdall\.\w",
    re.DOTALL,
)


def files(ending):
    rooms = ("schemas", "producer", "extractor", "sink", "iqstream")
    return sorted(path for room in rooms for path in (ROOT / room).rglob(f"*.{ending}"))


def sql_in(text):
    """Lines of the strings that hold SQL, docstrings apart."""
    tree = ast.parse(text)
    told = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in told
        and SQL.search(node.value)
    ]


@pytest.mark.parametrize(
    "text",
    [
        'pool.fetch("SELECT count(*) FROM pg_class")',
        'pool.fetch(f"DELETE FROM heimdall.{table} WHERE id = $1")',
        "Q = '''\\nSELECT id\\nFROM heimdall.datasets'''",
        'pool.execute("UPDATE heimdall.datasets SET grows = false")',
        'pool.execute("INSERT INTO t VALUES (1)")',
    ],
)
def test_sql_is_found_in_strings_of_any_kind(text):
    assert sql_in(text) == [1]


def test_docstrings_may_name_tables():
    assert sql_in('"""Rows of `heimdall.datasets`."""\nx = 1\n"""SELECT a FROM b"""') == []


def test_no_sql_stands_outside_the_catalogue():
    outside = [path for path in files("py") if not path.is_relative_to(ROOM)]
    found = [f"{path.relative_to(ROOT)}:{line}" for path in outside for line in sql_in(path.read_text("utf-8"))]
    assert len(outside) > 100
    assert found == []


def test_sql_files_stand_in_the_catalogue():
    assert [path.parent for path in files("sql")] == [ROOM]
