"""TCP ports of the loopback interface: which are free, and which a server gets."""

import errno
import secrets
import socket
from collections.abc import Collection, Mapping

LOOPBACK = "127.0.0.1"

# Below what Linux, BSD and macOS hand out to outgoing connections, so that a client's own port cannot sit
# on a server's while it is down: a stack comes back on the ports it had.
_FIRST_PORT = 12_000
_LAST_PORT = 31_999

# SeaweedFS reaches some of its own parts at this distance from a port, whatever their options say.
PAIR_DISTANCE = 10_000

_ATTEMPTS = 2_000


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is no obstacle
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def choose_ports(
    names: Collection[str], *, paired: Collection[str] = (), taken: Collection[int] = ()
) -> dict[str, int]:
    """Returns a random free port for each name; of a name in `paired`, port + 10,000 is free and kept clear too.

    Nothing is reserved: another program may take a port before the server does, which its start then reports.

    Raises:
        OSError: no free port was found.
    """
    used = set(taken)
    chosen: dict[str, int] = {}
    for name in names:
        offsets = (0, PAIR_DISTANCE) if name in paired else (0,)
        last = _LAST_PORT - offsets[-1]
        for _ in range(_ATTEMPTS):
            port = _FIRST_PORT + secrets.randbelow(last - _FIRST_PORT + 1)
            wanted = {port + offset for offset in offsets}
            if not wanted & used and all(map(is_free, wanted)):
                chosen[name] = port
                used |= wanted
                break
        else:
            raise OSError(errno.EADDRNOTAVAIL, f"no free port on {LOOPBACK} in {_FIRST_PORT}-{_LAST_PORT}")
    return chosen


def occupied(ports: Mapping[str, int], *, paired: Collection[str] = ()) -> list[int]:
    """Returns those of the ports (and of the paired ones' partners) that are in use now."""
    wanted = [*ports.values(), *(ports[name] + PAIR_DISTANCE for name in paired if name in ports)]
    return sorted(port for port in wanted if not is_free(port))
