"""Files that are about to be written: nothing that is there is replaced by accident."""

import os
from pathlib import Path

from iqstream.runtime.errors import UserError


def require_new(path: Path, *, force: bool) -> None:
    """Checks that a file can be written there.

    Raises:
        UserError: it is there and not to be replaced, or it is a directory, a device or a pipe.
    """
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is not a regular file, and would be replaced: choose another file")
    if os.path.lexists(path) and not force:
        raise UserError(f"{path} exists: choose another file, or have it replaced (--force)")
