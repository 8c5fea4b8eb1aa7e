"""The account under which PostgreSQL runs if iqstream runs as root, since PostgreSQL does not run as root."""

import os
import pwd
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from iqstream.embedded.processes import Account
from iqstream.runtime.errors import UserError

_NOBODY_ID = 65_534


def account_for(paths: Iterable[Path]) -> Account | None:
    """Returns an unprivileged account that can reach the paths; None if this process is not root.

    Directories on the way may be closed to others (`/root` is): then the process keeps the single capability
    to pass and read them, rather than anybody's permissions being changed.

    Raises:
        UserError: a path is closed and the tool that grants the capability is missing.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
        uid, gid = entry.pw_uid, entry.pw_gid
    except KeyError:
        uid, gid = _NOBODY_ID, _NOBODY_ID
    closed = next((place for path in paths if (place := closed_to_others(path)) is not None), None)
    if closed is None:
        return Account(uid=uid, gid=gid)
    tool = shutil.which("setpriv")
    if tool is None:
        raise UserError(
            f"PostgreSQL does not run as root, and the account that it would use cannot enter {closed}. Run iqstream "
            "as an ordinary user, move the project (and its Python environment) to where other users may enter, or "
            "install `setpriv` (package util-linux)."
        )
    capability = "+dac_read_search"
    return Account(
        uid=uid,
        gid=gid,
        prefix=(
            tool, f"--reuid={uid}", f"--regid={gid}", "--clear-groups",
            f"--inh-caps={capability}", f"--ambient-caps={capability}", "--",
        ),
    )  # fmt: skip


def closed_to_others(path: Path) -> Path | None:
    """Returns the first directory above the path that only its owner or group may enter, if any."""
    for parent in reversed(path.resolve().parents):
        if not parent.stat().st_mode & stat.S_IXOTH:
            return parent
    return None
