"""The C library's heap, told to keep what is freed: frames of the same sizes come again and again.

By default every array above 128 KiB is mapped from the kernel and given back when it is freed, and the next one costs
its page faults again: a third of a producer's time.
"""

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

MAPPED_FROM_BYTES = 32 * 1024 * 1024
"""The largest threshold that glibc takes."""
KEPT_BYTES = 128 * 1024 * 1024


def keep_freed_memory() -> None:
    """One arena, grown in large steps and trimmed only when more than `KEPT_BYTES` lie free at its end.

    Does nothing where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for parameter, value in (
        (_M_ARENA_MAX, 1),
        (_M_MMAP_THRESHOLD, MAPPED_FROM_BYTES),
        (_M_TRIM_THRESHOLD, KEPT_BYTES),
        (_M_TOP_PAD, KEPT_BYTES // 4),
    ):
        mallopt(parameter, value)
