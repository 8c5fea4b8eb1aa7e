"""Results are readable as text and as HTML, and nothing in them is taken for markup or for a terminal's orders."""

from dataclasses import FrozenInstanceError, dataclass
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.runtime.readable import MOST_ITEMS, Readable, Rows


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Named(Readable):
    name: str
    samples: int = 3


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Holding(Readable):
    one: Named
    many: tuple[Named, ...] = ()
    numbers: tuple[int, ...] = ()


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.words = set(), []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.add(tag)

    def handle_data(self, data):
        self.words.append(data)


OURS = {"table", "caption", "thead", "tbody", "tr", "th", "td", "p"}


@given(st.text() | st.sampled_from(["<script>alert(1)</script>", "<b>a</b>&amp;", '"><img src=x>', "\x1b[31m\u202ex"]))
def test_a_name_is_shown_in_html_and_never_read_as_markup(name):
    for result in (Named(name=name), Rows([Named(name=name)]), Holding(one=Named(name=name), many=(Named(name=name),))):
        tags = Tags(result._repr_html_())
        assert tags.found <= OURS
        assert "\x1b" not in result._repr_html_()
        if name.isalnum():
            assert name in tags.words


@given(st.text())
def test_text_is_one_line_without_control_characters(name):
    text = repr(Holding(one=Named(name=name)))
    assert text.isprintable()
    assert repr(name) in text


def test_rows_are_a_line_each_and_an_empty_one_says_so():
    assert repr(Rows([Named(name="a"), Named(name="b")])) == "Named(name='a', samples=3)\nNamed(name='b', samples=3)"
    assert repr(Rows()) == "(no rows)"
    assert Rows()._repr_html_() == "<p>no rows</p>"


def test_a_long_sequence_is_cut_and_counted():
    assert repr(Holding(one=Named(name="a"), numbers=tuple(range(30)))).endswith("5, … 30 in all])")
    assert MOST_ITEMS == 6


def test_a_result_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Named(name="a").name = "b"
    assert not hasattr(Named(name="a"), "__dict__")
