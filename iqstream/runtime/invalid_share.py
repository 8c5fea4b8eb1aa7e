"""When a stage had better stop: most of its input is invalid, which is a mistake upstream rather than bad data."""

from collections import deque

from iqstream.runtime.errors import Failed

WINDOW = 200
"""Records that are looked back at."""
ENOUGH = 100
"""Records to have seen before judging."""


class InvalidShare:
    """Which of a worker's last records were invalid."""

    def __init__(self, limit: float) -> None:
        """`limit`: the largest share to go on with; 1 goes on whatever comes."""
        self._limit = limit
        self._recent: deque[bool] = deque(maxlen=WINDOW)

    def note(self, topic: str, invalid: list[Exception], records: int) -> None:
        """Takes note of a batch, once it and its dead letters are committed.

        Args:
            topic: of the input.
            invalid: why records of the batch could not be processed, one each.
            records: of the whole batch.

        Raises:
            Failed: too many of the last records were invalid; says how many, why the last was, and what to do.
        """
        self._recent.extend([False] * (records - len(invalid)) + [True] * len(invalid))
        bad = sum(self._recent)
        if len(self._recent) >= ENOUGH and bad > self._limit * len(self._recent):
            last = f" (the last one: {type(invalid[-1]).__name__}: {invalid[-1]})" if invalid else ""
            raise Failed(
                f"{bad} of the last {len(self._recent)} records of {topic} could not be processed{last}: more than the "
                f"share of {self._limit:g} that IQSTREAM_MAX_INVALID_SHARE allows. All are kept as dead letters. "
                "Fix what writes them and restart the stage: it continues after them."
            )
