"""Numbers are read in one form wherever they are typed: every option, setting, quantity and file."""

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from iqstream.cli.dataset_upkeep import Age
from iqstream.cli.datasets import Target
from iqstream.cli.listen import listen
from iqstream.cli.main import iqstream
from iqstream.cli.rate import Rate
from iqstream.cli.recorded_dataset import calibrations
from iqstream.positions.offsets_file import read_offsets
from iqstream.runtime.errors import UserError
from iqstream.runtime.setting_values import share, whole_number
from iqstream.runtime.typed_numbers import read_number, read_whole
from iqstream.submit.quantity import parse_quantity
from tests.commands import commands

OTHER_FORMS = [
    "1_0",
    "_10",
    "10_",
    "١٠",
    "１０",
    "1²",
    " 10",
    "10 ",
    "1\n",
    "0x10",
    "1,0",
    "ten",
    "",
    "+",
    "-",
    "9" * 5000,
]
"""Whole numbers by Python's `int`, by other languages, or by nobody."""
NOT_FINITE = ["nan", "inf", "-inf", "Infinity", "1e999", "1e400", "1_0.5", "٠.٥", ".", "1e", "e5"]


def test_no_option_has_limits_in_its_help_that_are_none():
    for name, command in commands(iqstream):
        shown = [
            parameter.get_help_extra(click.Context(command))
            for parameter in command.params
            if isinstance(parameter, click.Option)
        ]
        assert not [extra["range"] for extra in shown if "None" in extra.get("range", "")], name


PARAMETERS = [
    (f"{name} {parameter.name}", parameter.type)
    for name, command in commands(iqstream)
    for parameter in command.params
    if isinstance(parameter.type, click.types.IntParamType | click.types.FloatParamType)
]


def test_there_are_options_of_numbers():
    assert len(PARAMETERS) > 30


@pytest.mark.parametrize(("where", "kind"), PARAMETERS, ids=[where for where, _ in PARAMETERS])
def test_every_option_of_a_number_takes_digits_alone(where, kind):
    is_whole = isinstance(kind, click.types.IntParamType)
    for text in OTHER_FORMS + NOT_FINITE + (["1.0", "1e3"] if is_whole else []):
        with pytest.raises(click.BadParameter, match=r"is not a (whole )?number"):
            kind.convert(text, None, None)


@pytest.mark.parametrize("text", OTHER_FORMS)
def test_so_do_settings_rates_ages_places_quantities_and_files(text, tmp_path):
    file = tmp_path / "back.csv"
    file.write_text(f"t,0,{text}5\n" if text[-1:].isspace() else f"t,0,{text}\n", encoding="utf-8")
    padded = text.strip() in {"10", "1"}  # blanks around a value are no part of it where there are several
    readers = [
        (whole_number(0, 10**60), ValueError), (share, ValueError), (read_whole, ValueError), (read_number, ValueError),
        *([] if padded else [
            (lambda text: calibrations((text,)), UserError),
            (lambda text: read_offsets(file, group="g", topic="t"), UserError),
            (parse_quantity, ValueError),
            (lambda text: Rate(10**60).convert(text, None, None), click.BadParameter),
            (lambda text: Target().convert(text, None, None), click.BadParameter),
        ]),
        (lambda text: Age().convert(f"{text}d", None, None), click.BadParameter),
    ]  # fmt: skip
    for read, error in readers:
        with pytest.raises(error):
            read(text)
    if not padded:
        said = ["--name", "a", "--frequency", "100MHz", "--gain", "a=28", "--at", f"a=45,{text}", "a=rtl_tcp://h"]
        given_ = CliRunner().invoke(listen, said, standalone_mode=False)
        assert isinstance(given_.exception, UserError)


@given(st.integers(-(10**40), 10**40))
def test_a_whole_number_that_is_written_is_read(number):
    assert read_whole(str(number)) == number
    assert read_whole(f"{'-' if number < 0 else '+'}00{abs(number)}") == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_finite_number_that_is_written_is_read(number):
    assert read_number(repr(number)) == number


def test_an_underscore_is_answered_with_what_to_write():
    with pytest.raises(ValueError, match="has an underscore: write 1000kHz"):
        parse_quantity("1_000kHz", "Hz")
