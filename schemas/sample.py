"""A sample by its identity, and what becomes of it."""

from typing import Literal, NamedTuple, TypeAlias


class DatasetKey(NamedTuple):
    """One version of a dataset."""

    dataset_id: str
    dataset_version: int


class SampleKey(NamedTuple):
    """One sample of one version of a dataset."""

    dataset_id: str
    dataset_version: int
    sample_idx: int

    @property
    def dataset(self) -> DatasetKey:
        """The dataset version that the sample belongs to."""
        return DatasetKey(self.dataset_id, self.dataset_version)


Verdict: TypeAlias = Literal["accepted", "rejected", "failed"]
VERDICTS: tuple[Verdict, ...] = ("accepted", "rejected", "failed")
