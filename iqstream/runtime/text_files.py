"""Small text files that people name: settings, secrets, receivers. A device or a disk image is not read to its end."""

from pathlib import Path

from iqstream.runtime.errors import UserError

LIMIT_BYTES = 1024 * 1024


class NotText(ValueError):
    """What stands in a file is not a text that we read; the message goes on behind the file's name."""


def read_text_file(path: Path, *, limit_bytes: int = LIMIT_BYTES) -> str:
    """Returns a file's text, without the mark that some editors put before it.

    Raises:
        OSError: it cannot be read.
        NotText: it is longer than `limit_bytes`, or not UTF-8.
    """
    with path.open("rb") as file:
        data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise NotText(f"holds more than {limit_bytes // 1024} KiB: it is another kind of file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotText(f"is not UTF-8 text: byte {error.start + 1} cannot be read") from None


def unread(error: OSError | NotText) -> str:
    """Returns why a file was not read, to go on behind its name."""
    return f"cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)


def text_of(what: str, path: Path, *, limit_bytes: int = LIMIT_BYTES) -> str:
    """Returns the text of a file that a person named.

    Raises:
        UserError: it cannot be read, or is no text; says `what` it should be, and names it.
    """
    try:
        return read_text_file(path, limit_bytes=limit_bytes)
    except (OSError, NotText) as error:
        raise UserError(f"{what} {path} {unread(error)}") from None
