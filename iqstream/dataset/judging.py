"""Verdict and split of every sample of a run, and whether it is wanted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from iqstream.dataset.batch import Judged
from iqstream.dataset.columns import ColumnBuilder, Columns
from iqstream.dataset.join import Joined
from iqstream.dataset.specs import Specs
from iqstream.dataset.splits import NO_SPLIT, SPLITS, Split, SplitBy, random_split, receiver_split, spatial_split
from iqstream.dataset.verdicts import ACCEPTED, Verdicts, judge
from iqstream.runtime.errors import UserError
from schemas import DatasetKey, Limits

_NAMES = np.array([*SPLITS, ""])
"""The last is NO_SPLIT's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which samples are wanted, and of `receiver-holdout` which receivers."""

    split: Split | None
    split_by: SplitBy
    include_rejected: bool


class Judging:
    """Judges as the sink does, by the limits of each sample's dataset."""

    def __init__(self, specs: Specs, choice: Choice, *, pairs: bool = False) -> None:
        """With `pairs` the columns hold time differences."""
        self._specs = specs
        self._choice = choice
        self._builder = ColumnBuilder(pairs=pairs)
        self._receivers: dict[DatasetKey, frozenset[str]] = {}

    async def learn(self, samples: Sequence[Joined]) -> None:
        """Looks up the datasets of samples that are to be judged."""
        await self._specs.learn({sample.key.dataset for sample in samples})

    def judge(self, samples: Sequence[Joined]) -> tuple[Judged, npt.NDArray[np.bool_]]:
        """The samples judged, and which of them are wanted, bool (n,)."""
        limits = [self._specs.limits(sample.key.dataset) for sample in samples]
        columns = self._builder.build(samples)
        wanted = columns.readable & np.array([limit is not None for limit in limits], bool)
        verdicts = judge(columns, [limit or Limits() for limit in limits])
        if not self._choice.include_rejected:
            wanted &= verdicts.reason == ACCEPTED
        if self._choice.split_by == "receiver-holdout":
            if self._choice.split is None:
                return Judged(columns, verdicts, np.full(len(samples), "")), wanted
            columns, verdicts = self._only_receivers(columns, verdicts, self._choice.split)
            wanted &= columns.present.any(axis=1)
            return Judged(columns, verdicts, np.full(len(samples), self._choice.split)), wanted
        split = _NAMES[self._split(columns)]
        if self._choice.split is not None:
            wanted &= split == self._choice.split
        return Judged(columns, verdicts, split), wanted

    def left_out(self, judged: Judged) -> Counter[str]:
        """Of judged samples those that nobody can want: values that are none, or no dataset that is known."""
        unknown = sum(self._specs.limits(sample.key.dataset) is None for sample in judged.columns.samples)
        return +Counter({"unreadable": int((~judged.columns.readable).sum()), "without dataset": unknown})

    def _split(self, columns: Columns) -> npt.NDArray[np.int8]:
        if self._choice.split_by == "spatial":
            return spatial_split(columns.position[:, 0], columns.position[:, 1])
        split = np.full(len(columns), NO_SPLIT, np.int8)
        dataset = np.array([sample.key.dataset_id for sample in columns.samples], np.str_)
        index = np.array([sample.key.sample_idx for sample in columns.samples], np.int64)
        for dataset_id in set(dataset.tolist()):
            salt = self._specs.split_salt(dataset_id)
            if salt is not None:
                rows = dataset == dataset_id
                split[rows] = random_split(salt, index[rows])
        return split

    def _only_receivers(self, columns: Columns, verdicts: Verdicts, split: Split) -> tuple[Columns, Verdicts]:
        """What the split's receivers recorded; the verdict stays that over all of them."""
        kept = np.zeros_like(columns.present)
        for row, sample in enumerate(columns.samples):
            allowed = self._allowed(sample.key.dataset, split)
            kept[row, : len(sample.places)] = [place.rx_id in allowed for place in sample.places]
        hidden = ~kept[:, :, None]
        return (
            replace(
                columns,
                features=np.where(hidden, np.nan, columns.features),
                receivers=np.where(hidden, np.nan, columns.receivers),
                present=kept,
                pairs=None if columns.pairs is None else columns.pairs.only(kept),
            ),
            replace(verdicts, detected=verdicts.detected & kept),
        )

    def _allowed(self, key: DatasetKey, split: Split) -> frozenset[str]:
        allowed = self._receivers.get(key)
        if allowed is None:
            rx_ids = self._specs.rx_ids(key)
            if not rx_ids and self._specs.limits(key) is not None:
                raise UserError(
                    "split_by: receiver-holdout needs the dataset's network from PostgreSQL: leave limits out"
                )
            of_split = receiver_split(rx_ids)
            allowed = self._receivers[key] = frozenset(rx_id for rx_id in rx_ids if of_split[rx_id] == split)
        return allowed
