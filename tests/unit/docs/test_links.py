"""Every link on a page of the repository leads to a file that exists, and to a heading that is there."""

import re
from pathlib import Path

import pytest

PAGES = [*sorted(Path().glob("*.md")), *sorted(Path("docs").rglob("*.md"))]
_FENCE = re.compile(r"^(`{3,}).*?^\1`*$", flags=re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")


def prose(page):
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page):
    """The anchors that GitHub gives to a page's headings."""
    found, seen = set(), {}
    for heading in re.findall(r"^#{1,6} +(.+?)#*$", prose(page), flags=re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        count = seen[slug] = seen.get(slug, -1) + 1
        found.add(f"{slug}-{count}" if count else slug)
    return found


def links():
    for page in PAGES:
        for target, anchor in _LINK.findall(prose(page)):
            yield pytest.param(page, target, anchor, id=f"{page}: {target}{'#' if anchor else ''}{anchor}")


LINKS = list(links())


@pytest.mark.parametrize(("page", "target", "anchor"), LINKS)
def test_every_link_leads_somewhere(page, target, anchor):
    file = page.parent / target if target else page
    assert file.exists()
    if anchor:
        assert anchor in anchors(file), f"{file} has no heading {anchor}; it has {sorted(anchors(file))}"


def test_the_pages_and_their_links_were_found():
    assert len(PAGES) > 50
    assert sum(1 for link in LINKS if link.values[2]) >= 4


def test_a_heading_becomes_the_anchor_that_github_makes_of_it(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A `name`, once\n```\n# no heading\n```\n## Twice\n## Twice\n## [A link](x.md) & more\n")
    assert anchors(page) == {"a-name-once", "twice", "twice-1", "a-link--more"}
