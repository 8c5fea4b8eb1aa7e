"""What is measured between two receivers of one sample, each quantity with its unit and definition."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from schemas.dataset import MAX_RECEIVERS, DatasetId, Finite, Name, NonNegative, ReceiverId, SampleIndex, Share
from schemas.feature_record import Lineage
from schemas.iq_frame import IQFrame

MAX_PAIRS = MAX_RECEIVERS * (MAX_RECEIVERS - 1) // 2
ALL_PAIRS_UP_TO = 8
"""Receivers of which every pair is measured; of more, the pairs with one of the strongest."""
STRONGEST = 4


def pair_count(receivers: int) -> int:
    """Returns how many pairs of a sample's receivers are measured."""
    weak = 0 if receivers <= ALL_PAIRS_UP_TO else receivers - STRONGEST
    return (receivers * (receivers - 1) - weak * (weak - 1)) // 2


class PairMeasurement(msgspec.Struct, frozen=True, kw_only=True):
    """One pair; the quantities are those of PAIR_TABLE. Where nothing is `found` the difference is 0."""

    receiver_a: ReceiverId
    receiver_b: ReceiverId
    time_difference_us: Finite
    standard_deviation_us: NonNegative
    coherence: Share
    peak_to_sidelobe_db: Finite
    frequency_difference_hz: Finite
    bandwidth_hz: NonNegative
    found: bool


class PairRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Every pair of receivers that was measured of one sample; none where there are no two that can be compared."""

    dataset_id: DatasetId
    dataset_version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    sample_idx: SampleIndex
    generation: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    pairs: Annotated[tuple[PairMeasurement, ...], Meta(max_length=MAX_PAIRS)]
    extractor_version: Name
    lineage: Lineage
    """The record with which the last of the recordings came; they have checksums of their own."""

    def __post_init__(self) -> None:
        named = [frozenset((pair.receiver_a, pair.receiver_b)) for pair in self.pairs]
        if len(set(named)) < len(named):
            raise ValueError("pairs: two receivers are compared twice")
        if any(len(pair) < 2 for pair in named):
            raise ValueError("pairs: a receiver is compared with itself")


MeasurePairs: TypeAlias = Callable[[Sequence[IQFrame], Lineage], PairRecord]
"""A sample's recordings to its record: `extractor.pairs.record.pair_record`, for those who may not import it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairQuantity:
    """A row of PAIR_TABLE."""

    name: str
    unit: str
    """`1` for a plain number."""
    definition: str
    source: str


_TABLE: tuple[PairQuantity, ...] = (
    PairQuantity(
        name="time_difference_us",
        unit="us",
        definition="arrival at receiver a less that at receiver b: where the power of the cross-correlation, summed "
        "over blocks of 5 ms, is highest; positive where a hears later",
        source="Knapp and Carter 1976, one unknown complex gain a block; [ADR 73](adr/0073-time-differences.md)",
    ),
    PairQuantity(
        name="standard_deviation_us",
        unit="us",
        definition="of the time difference, from the scatter of 40 ms parts of the recording around it: noise and "
        "fading; echoes that stand still are not in it. Where nothing is found that of any difference the receivers' "
        "distance and clocks allow",
        source="variance of an M-estimator: Huber 1967; [ADR 74](adr/0074-echo-floor.md)",
    ),
    PairQuantity(
        name="coherence",
        unit="1",
        definition="root of the share of the power in the occupied band that both hear alike, over blocks of 5 ms, "
        "without the carrier, less what unrelated signals of these spectra show",
        source="magnitude-squared coherence: Carter 1987",
    ),
    PairQuantity(
        name="peak_to_sidelobe_db",
        unit="dB",
        definition="height of the correlation's power over its highest value farther than 1 / bandwidth from the peak, "
        "within what the receivers' distance and clocks allow",
        source="definition",
    ),
    PairQuantity(
        name="frequency_difference_hz",
        unit="Hz",
        definition="frequency at a less that at b, which was removed before the correlation: oscillators and Doppler",
        source="shift between the spectrograms, then phase from block to block",
    ),
    PairQuantity(
        name="bandwidth_hz",
        unit="Hz",
        definition="the band that was correlated: what stands out of the noise at the receiver that hears best, up to "
        "twice its 99 % occupied bandwidth",
        source="feature `bandwidth_hz`; [ADR 86](adr/0086-cost-of-pairs.md)",
    ),
    PairQuantity(
        name="found",
        unit="1",
        definition="whether the coherence is more than unrelated signals show once in 1,000 pairs, and no other "
        "difference fits better",
        source="sum of exponential variables over the blocks, every lag that was tried counted",
    ),
)
PAIR_TABLE: Mapping[str, PairQuantity] = {quantity.name: quantity for quantity in _TABLE}
"""The quantities by their names, in the order of PairMeasurement."""
PAIR_QUANTITIES = tuple(PAIR_TABLE)
