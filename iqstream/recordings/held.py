"""Samples held in memory: a piece of what a receiver sends now, read as a recording's are."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from iqstream.recordings.datatype import Datatype


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldSamples:
    """A stretch of samples; indices count from the first sample that the receiver sent."""

    path: Path
    """What the source is called."""
    datatype: Datatype
    first_sample: int
    raw: npt.NDArray[np.generic]
    """Components, (n, 2)."""

    @property
    def offset_bytes(self) -> int:
        """Of the first sample in what is held."""
        return 0

    def require_unchanged(self) -> None:
        """What is held does not change."""

    def read_raw(self, first_sample: int, samples: int) -> npt.NDArray[np.generic]:
        """Components as they came, (samples, 2). Raises ValueError for a span that is not held."""
        start = first_sample - self.first_sample
        if start < 0 or samples < 0 or start + samples > len(self.raw):
            raise ValueError(
                f"samples {first_sample} to {first_sample + samples} are not among the {len(self.raw)} held from "
                f"{self.first_sample} on"
            )
        return self.raw[start : start + samples]

    def read(self, first_sample: int, samples: int) -> npt.NDArray[np.complex64]:
        """Complex samples, (samples,), 1.0 being full scale. Raises ValueError as `read_raw` does."""
        return self.datatype.to_complex(self.read_raw(first_sample, samples))
