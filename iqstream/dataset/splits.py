"""Train, validation and test: which one a sample, or a receiver, belongs to, by hash and for ever.

A split depends on nothing but what is split, so streams, exports, versions and later additions of a dataset agree.
So do datasets of the same recordings: their random splits have one salt, which PostgreSQL holds.
70 % of the hash range are `train`, 15 % each `validation` and `test`.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Literal, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

Split: TypeAlias = Literal["train", "validation", "test"]
SplitBy: TypeAlias = Literal["random", "spatial", "receiver-holdout"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
SPLITS_BY: tuple[SplitBy, ...] = ("random", "spatial", "receiver-holdout")
NO_SPLIT = -1
"""Of a sample whose transmitter's place is unknown, split by place."""
BLOCK_M = 5_000.0
METRES_PER_DEGREE = 111_195.0
"""Of latitude, on a sphere of 6,371 km."""
_BOUNDS = np.array([0.70, 0.85])
_HALF = np.uint64(32)


def random_split(salt: str, sample_idx: npt.ArrayLike) -> npt.NDArray[np.int8]:
    """Index into SPLITS by hash of (the dataset's `split_salt`, a UUID; sample); int8, shape of `sample_idx`."""
    number = UUID(salt).int
    mixed = _mix(np.uint64(number >> 64) ^ _mix(np.uint64(number & (2**64 - 1))))
    return _third(_mix(mixed ^ _mix(np.asarray(sample_idx, np.uint64))))


def spatial_split(latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> npt.NDArray[np.int8]:
    """Index into SPLITS by hash of the block of about 5 km x 5 km that holds a place in degrees; int8.

    All samples of a block go together, of every dataset, so that no terrain is both learnt and tested. NO_SPLIT where
    a coordinate is NaN.
    """
    lat, lon = np.broadcast_arrays(np.asarray(latitude, float), np.asarray(longitude, float))
    known = np.isfinite(lat) & np.isfinite(lon)
    row = np.floor(np.where(known, lat, 0.0) * (METRES_PER_DEGREE / BLOCK_M))
    across = METRES_PER_DEGREE * np.cos(np.radians((row + 0.5) * (BLOCK_M / METRES_PER_DEGREE)))
    column = np.floor(np.where(known, lon, 0.0) * (across / BLOCK_M))
    hashed = _mix((row.astype(np.int64).astype(np.uint64) << _HALF) ^ _mix(column.astype(np.int64).astype(np.uint64)))
    return np.where(known, _third(hashed), np.int8(NO_SPLIT)).astype(np.int8)


def receiver_split(rx_ids: Sequence[str]) -> dict[str, Split]:
    """The split of each receiver of a network: nobody trains on what a held-out receiver recorded.

    Receivers in the order of their names' hashes; a network of three or more has at least one in each split.
    """
    order = sorted(rx_ids, key=lambda rx_id: blake2b(rx_id.encode(), digest_size=8).digest())
    held_out = max(1, round(0.15 * len(order))) if len(order) >= len(SPLITS) else 0
    first_held_out = len(order) - 2 * held_out
    return {
        rx_id: SPLITS[0 if at < first_held_out else 1 if at < first_held_out + held_out else 2]
        for at, rx_id in enumerate(order)
    }


def _third(hashed: npt.NDArray[np.uint64]) -> npt.NDArray[np.int8]:
    return np.searchsorted(_BOUNDS, hashed / 2.0**64, side="right").astype(np.int8)


def _mix(value: npt.NDArray[np.uint64] | np.uint64) -> npt.NDArray[np.uint64]:
    """The output function of SplitMix64 (Steele, Lea and Flood, 2014): a bijection that scatters."""
    with np.errstate(over="ignore"):
        mixed = np.asarray(value, np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))
