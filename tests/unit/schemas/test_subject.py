"""Keys and headers that anybody may have written, and what they are taken to say."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import sample_key, subject_of
from tests.strategies import SEEDED

DATASET_ID = "0b5ce6b1-3a4c-4f3e-9a55-3f7b5a0c4f11"
NAMES = ("dataset_version", "generation", "samples", "rx_id")


@dataclass
class Record:
    key: bytes | None
    headers: tuple = ()


def test_what_our_stages_write_is_read_as_it_was_written():
    named = (("dataset_version", b"2"), ("generation", b"3"), ("samples", b"5"), ("rx_id", b"torino"))
    subject = subject_of(Record(sample_key(DATASET_ID, 7), named))
    assert (subject.dataset_id, subject.sample_idx) == (DATASET_ID, 7)
    assert (subject.dataset_version, subject.generation, subject.samples, subject.rx_id) == (2, 3, 5, "torino")


@pytest.mark.parametrize("value", [None, b"", b"x", b"-1", b"1.0", "²".encode(), "٣".encode(), b"\xff", b"9" * 5000])
def test_a_header_that_is_no_number_says_nothing(value):
    subject = subject_of(Record(sample_key(DATASET_ID, 7), tuple((name, value) for name in NAMES)))
    assert (subject.dataset_version, subject.generation, subject.samples) == (None, None, None)


@SEEDED
@given(
    key=st.none() | st.binary(max_size=60),
    headers=st.lists(st.tuples(st.sampled_from(NAMES) | st.text(), st.none() | st.binary(max_size=30))),
)
def test_no_key_and_no_headers_are_too_strange(key, headers):
    subject = subject_of(Record(key, tuple(headers)))
    assert subject.samples is None or subject.samples >= 0
