"""Small text files that people name: settings, secrets, receivers. A device or a disk image is not read to its end."""

from pathlib import Path

LIMIT_BYTES = 1024 * 1024


class NotText(ValueError):
    """What stands in a file is not a text that we read; the message goes on behind the file's name."""


def read_text_file(path: Path) -> str:
    """Returns a file's text, without the mark that some editors put before it.

    Raises:
        OSError: it cannot be read.
        NotText: it is longer than `LIMIT_BYTES`, or not UTF-8.
    """
    with path.open("rb") as file:
        data = file.read(LIMIT_BYTES + 1)
    if len(data) > LIMIT_BYTES:
        raise NotText(f"holds more than {LIMIT_BYTES // 1024} KiB: it is another kind of file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotText(f"is not UTF-8 text: byte {error.start + 1} cannot be read") from None
