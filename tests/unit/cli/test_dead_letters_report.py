"""Dead letters as people see them."""

from iqstream.cli.dead_letters_report import hexdump


def test_a_hexdump_shows_the_first_bytes_and_says_how_many_are_left():
    lines = hexdump(bytes(range(32)) * 10)
    assert lines[0] == "  00000000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  |................|"
    assert lines[-1] == "  and 64 more bytes: --raw FILE writes all"
