"""Free space before a start, and what the servers' data takes."""

import os
import shutil
from pathlib import Path

from iqstream.runtime.errors import Conflict


def require_free(path: Path, needed_bytes: int) -> None:
    """Raises Conflict if less space than needed is free on the file system of an existing directory.

    Raises:
        Conflict: naming both figures.
    """
    free = shutil.disk_usage(path).free
    if free < needed_bytes:
        raise Conflict(
            f"{path} has {free / 2**30:.1f} GiB free and {needed_bytes / 2**30:.1f} GiB are needed: "
            "free some space, or run in a directory on a larger disk."
        )


def used_bytes(path: Path) -> int:
    """Returns the bytes on disk of all files under a directory, 0 if there is none; holes in files do not count."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += (Path(folder) / name).lstat().st_blocks * 512
            except FileNotFoundError:
                continue  # a server removed it meanwhile
    return total
