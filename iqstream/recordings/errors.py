"""What can be wrong with a file that claims to be a recording."""

from pathlib import Path


class BadRecording(ValueError):
    """A file that cannot be read as a recording; the message names the file, the place in it and what to do."""

    def __init__(self, path: Path, place: str, problem: str) -> None:
        self.path = path
        self.place = place
        """Where in the file; empty for the whole of it."""
        self.problem = problem
        super().__init__(f"{printable(path)}{', ' if place else ''}{place}: {problem}")


def printable(text: object) -> str:
    """Text of a file for a message: one line, no control characters, at most 200 characters."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
    return shown if len(shown) <= 200 else f"{shown[:197]}..."
