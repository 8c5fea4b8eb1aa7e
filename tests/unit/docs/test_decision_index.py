"""The index of decisions lists every ADR once, under its own number and title."""

import re
from pathlib import Path

FOLDER = Path("docs/adr")
INDEX = (FOLDER / "README.md").read_text(encoding="utf-8")
RECORDS = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")


def test_every_decision_is_listed_once():
    listed = re.findall(r"^- \[(\d+)\]\((\d{4}-[^)]+\.md)\)", INDEX, flags=re.MULTILINE)
    assert sorted(name for _, name in listed) == [path.name for path in RECORDS]
    assert [int(number) for number, _ in listed] == [int(name[:4]) for _, name in listed]


def test_a_decision_has_the_number_of_its_file():
    for path in RECORDS:
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith(f"# {int(path.name[:4])}. "), path
