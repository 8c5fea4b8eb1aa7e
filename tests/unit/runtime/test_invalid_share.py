"""A worker stops when most of its recent input is invalid, and not before it has seen enough of it."""

import pytest

from iqstream.runtime.errors import Failed
from iqstream.runtime.invalid_share import ENOUGH, WINDOW, InvalidShare

BAD = ValueError("no frame")


def test_it_waits_until_it_has_seen_enough():
    share = InvalidShare(0.5)
    share.note("t", [BAD] * (ENOUGH - 1), ENOUGH - 1)
    with pytest.raises(Failed, match=r"100 of the last 100 records of t .*ValueError: no frame.*MAX_INVALID_SHARE"):
        share.note("t", [BAD], 1)


def test_a_share_up_to_the_limit_is_borne_for_ever():
    share = InvalidShare(0.5)
    for _ in range(50):
        share.note("t", [BAD] * 6, 14)


def test_only_the_last_records_count():
    share = InvalidShare(0.5)
    share.note("t", [], 10 * WINDOW)
    share.note("t", [BAD] * (WINDOW // 2), WINDOW // 2)
    with pytest.raises(Failed):
        share.note("t", [BAD], 1)


def test_a_limit_of_one_goes_on_whatever_comes():
    InvalidShare(1.0).note("t", [BAD] * WINDOW, WINDOW)
