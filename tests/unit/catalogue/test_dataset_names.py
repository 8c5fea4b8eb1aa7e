"""What a new dataset may be named: text that is shown as it is, and that nobody takes for an id."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.catalogue.dataset_names import check_name, check_text
from iqstream.runtime.errors import UserError
from tests.strategies import SEEDED

ID = UUID("6d1b6b0e-6f0c-4d7a-9f55-8e1d7f6f2a10")


@pytest.mark.parametrize("text", [str(ID), ID.hex, str(ID).upper(), f"{{{ID}}}", ID.urn, f"urn:{ID}", ID.hex.upper()])
def test_a_name_that_looks_like_an_id_in_any_form_is_refused(text):
    with pytest.raises(UserError, match="looks like a dataset's id"):
        check_name(text)


@pytest.mark.parametrize("character", [*"\n\r\t\x00\x07\x1b\x7f\x85\x9b", "\u2028", "\u2029", "\u202e", "\u2066"])
@pytest.mark.parametrize("form", ["{}name", "na{}me", "name{}"])
def test_what_controls_a_terminal_is_refused_with_its_place(form, character):
    name = form.format(character)
    with pytest.raises(UserError, match=f"name: character {name.index(character) + 1} of ") as refused:
        check_name(name)
    assert character not in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [" ", "   ", "\u3000", "\u200b", "\u2800", "\u3164", " name", "name ", "name\u200b", f" {ID}", f"{ID}\u00a0"],
)
def test_a_name_begins_and_ends_with_something_that_can_be_seen(name):
    with pytest.raises(UserError, match="begins or ends with a blank or a character of no width"):
        check_name(name)


@pytest.mark.parametrize(
    "name", ["Test IQ Generation", "NBFM [v2]", "сигнал 1", "信号　一", "🛰️ pass", "6d1b6b0e", "a" * 32 + "x"]
)
def test_other_names_are_taken_as_they_are(name):
    check_name(name)


@SEEDED
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_text_that_is_taken_has_a_line_break_or_an_escape(text):
    try:
        check_text("name", text)
    except UserError:
        return
    assert len(text.splitlines()) == 1
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text)
