"""A receivers file: read as it stands, or refused with file, line and reason."""

from pathlib import Path

import pytest

from iqstream.runtime.errors import UserError
from iqstream.submit.receivers_file import read_receivers

HEAD = "rx_id,latitude,longitude,altitude_m\n"


def write(tmp_path, text):
    path = tmp_path / "network.csv"
    path.write_text(text)
    return path


def test_receivers_come_in_the_files_order_with_the_default_antenna(tmp_path):
    found = read_receivers(write(tmp_path, HEAD + "b,45.0,7.0,100\na,46,8,200\n"))
    assert [r.rx_id for r in found] == ["b", "a"]
    assert found[1].latitude == 46.0
    assert found[0].antenna_height_m == 20.0


def test_an_optional_column_is_read(tmp_path):
    text = "rx_id,latitude,longitude,altitude_m,antenna_height_m\na,45,7,100,12\nb,46,8,200,\n"
    assert [r.antenna_height_m for r in read_receivers(write(tmp_path, text))] == [12.0, 20.0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD + "a,45,7,1\nb,46,8,1\nc,146,8,1\n", "line 4"),
        (HEAD + "a,45,7,1\nb,46,8,1\nc,146,8,1\n", "latitude"),
        (HEAD + "a,45,7,1\nb,nord,8,1\n", "line 3"),
        (HEAD + "a,45,7,1\nb,46,8\n", "line 3: the number of values differs"),
        (HEAD + "a,45,7,1\na,46,8,1\n", "is on line 2 too"),
        (HEAD + "a,45,7,1\n", "at least 2"),
        ("rx_id,latitude,longitude,altitude_m,latitude\n", "line 1: columns: latitude is there twice"),
        (HEAD + "a b,45,7,1\nc,46,8,1\n", "rx_id"),
        ("name,latitude\na,45\n", "line 1"),
        ("", "line 1"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, expected):
    path = write(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read_receivers(path)
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="absent"):
        read_receivers(tmp_path / "absent.csv")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full", "/dev/urandom"])
def test_a_device_that_never_ends_is_refused_and_not_read_to_its_end(device):
    with pytest.raises(UserError, match=f"receivers file {device} holds more than"):
        read_receivers(Path(device))
