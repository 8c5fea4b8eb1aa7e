"""Numbers as people write them in options, settings and files: one form everywhere, that of the digits 0 to 9.

Python's own `int` and `float` also read `1_000`, digits of other scripts, blanks around, `nan` and `inf`.
"""

import re

MAX_DIGITS = 60
_WHOLE = re.compile(rf"[+-]?[0-9]{{1,{MAX_DIGITS}}}")
_NUMBER = re.compile(
    rf"[+-]?([0-9]{{1,{MAX_DIGITS}}}(\.[0-9]{{0,{MAX_DIGITS}}})?|\.[0-9]{{1,{MAX_DIGITS}}})([eE][+-]?[0-9]{{1,3}})?"
)
_LARGEST = 1.7976931348623157e308


def read_whole(text: str) -> int:
    """Returns the whole number.

    Raises:
        ValueError: the text is none; says how one is written.
    """
    if _WHOLE.fullmatch(text) is None:
        raise ValueError(f"{_shown(text)} is not a whole number: write it in digits, as 1000")
    return int(text)


def read_number(text: str) -> float:
    """Returns the number, which is finite.

    Raises:
        ValueError: the text is none; says how one is written.
    """
    if _NUMBER.fullmatch(text) is None or not abs(number := float(text)) <= _LARGEST:
        raise ValueError(f"{_shown(text)} is not a number: write it in digits, as 1000, -0.5 or 1e6")
    return number


def _shown(text: str) -> str:
    return repr(text) if len(text) <= MAX_DIGITS else f"a text of {len(text)} characters"
