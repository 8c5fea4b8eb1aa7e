"""Errors of this machine, its files, disk and ports: a server's outage passes by waiting, these do not."""

import errno

from iqstream.runtime.errors import Failed, IqstreamError, UserError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_TOO_MANY_FILES = frozenset({errno.EMFILE, errno.ENFILE})


def own_fault(error: BaseException) -> IqstreamError | None:
    """What to do about an error of this machine; None for any other, as those of connections.

    An error that names a file is about a file; connections name none.
    """
    if not isinstance(error, OSError):
        return None
    file = f"{error.filename}: " if error.filename is not None else ""
    if error.errno in _FULL:
        return Failed(f"{file}the disk of this machine is full ({error.strerror}): make room and start again")
    if error.errno in _TOO_MANY_FILES:
        return Failed(
            f"{error.strerror}: this process may not open more; raise the limit (`ulimit -n`) and start again"
        )
    if error.filename is not None:
        return UserError(f"{error.filename} cannot be used: {error.strerror}; look at the path and at whose it is")
    return None
