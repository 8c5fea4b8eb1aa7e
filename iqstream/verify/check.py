"""What verifying a dataset gives: check by check, whether it holds."""

from dataclasses import dataclass

from iqstream.runtime.readable import Readable


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Check(Readable):
    """One thing that was proved of a dataset, or not."""

    name: str
    checked: int
    """How many things were looked at."""
    note: str
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.problems
