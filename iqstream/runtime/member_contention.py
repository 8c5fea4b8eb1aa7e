"""Whether two hosts take the same member of a group for theirs: both get the same assignment again and again.

A static member is named after its host. Two hosts of one name put each other out of the group, and get the same
partitions each time; a rebalance that has another cause moves some, and ends.
"""

from collections import deque
from collections.abc import Collection, Hashable

ASSIGNMENTS = 5
WITHIN_S = 60.0
ADVICE = (
    "this worker's partitions were taken from it and given back again and again: another host of the same name seems "
    "to run this stage, and each puts the other out of the group. Give every host a name of its own: by the system, or "
    "by IQSTREAM_HOST_NAME"
)


class MemberContention:
    """Counts equal assignments in a row."""

    def __init__(self) -> None:
        self._last: Collection[Hashable] = ()
        self._times: deque[float] = deque(maxlen=ASSIGNMENTS)

    def noted(self, assigned: Collection[Hashable], now_s: float) -> bool:
        """Whether this makes `ASSIGNMENTS` equal assignments within `WITHIN_S`; after that it counts from zero."""
        if not assigned or assigned != self._last:
            self._times.clear()
        self._last = assigned
        self._times.append(now_s)
        if not assigned or len(self._times) < ASSIGNMENTS or now_s - self._times[0] > WITHIN_S:
            return False
        self._times.clear()
        return True
