"""A sample's recordings to the record of its time differences. Pure."""

from collections.abc import Sequence

from extractor.pairs.measure import measure_pairs
from extractor.version import EXTRACTOR_VERSION
from schemas import IQFrame, Lineage, PairRecord
from schemas.recorded import COMPARED_BY


def pair_record(frames: Sequence[IQFrame], lineage: Lineage) -> PairRecord:
    """Returns what `measure_pairs` finds, with the identity of the sample.

    The receivers are taken in the order of their ids, so that equal recordings give equal records. Real recordings are
    compared where their time is exact enough; `schemas.recorded.why_not_compared` says why others are left out.

    Args:
        frames: all recordings of one sample, at least one.
        lineage: the record with which the last of them came.

    Raises:
        ValueError: they cannot be compared; says why.
    """
    first = frames[0]
    return PairRecord(
        dataset_id=first.dataset_id,
        dataset_version=first.dataset_version,
        sample_idx=first.sample_idx,
        generation=first.generation,
        pairs=measure_pairs(sorted(filter(_is_timed, frames), key=lambda frame: frame.receiver.rx_id)),
        extractor_version=EXTRACTOR_VERSION,
        lineage=lineage,
    )


def _is_timed(frame: IQFrame) -> bool:
    return frame.recorded is None or frame.recorded.time_source in COMPARED_BY
