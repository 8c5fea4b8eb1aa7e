"""A recording to the record of its features: the extractor's whole computation. Pure."""

from collections import Counter

import numpy as np

from extractor.aggregate import aggregate
from extractor.extract import measure_chunks
from extractor.features.frequency import FrequencyClass
from extractor.version import EXTRACTOR_VERSION
from schemas import FeatureRecord, FrequencyClasses, IQFrame, Lineage


def feature_record(frame: IQFrame, lineage: Lineage) -> FeatureRecord:
    """Returns the values of a frame with its identity, its truth and the record that it came from.

    The mean of a real recording is taken out where it is the receiver's own.
    """
    iq = frame.samples()
    if frame.recorded is not None and frame.recorded.dc_of_device:
        iq -= np.complex64(iq.mean(dtype=np.complex128))
    chunks = measure_chunks(iq, frame.sample_rate_hz, frame.chunk_ms / 1000)
    classes = Counter(chunk.frequency_class for chunk in chunks)
    return FeatureRecord(
        dataset_id=frame.dataset_id,
        dataset_version=frame.dataset_version,
        sample_idx=frame.sample_idx,
        generation=frame.generation,
        receivers_expected=frame.receivers_expected,
        pairs_expected=frame.pairs_expected,
        receiver=frame.receiver,
        captured_at_ns=frame.captured_at_ns,
        center_frequency_hz=frame.center_frequency_hz,
        sample_rate_hz=frame.sample_rate_hz,
        duration_ms=frame.duration_ms,
        chunk_ms=frame.chunk_ms,
        chunks=len(chunks),
        datatype=frame.datatype,
        values=tuple(aggregate(np.array([chunk.features for chunk in chunks])).ravel().tolist()),
        frequency_classes=FrequencyClasses(**{kind.value: classes[kind] for kind in FrequencyClass}),
        truth=frame.truth,
        position=frame.position,
        recorded=frame.recorded,
        extractor_version=EXTRACTOR_VERSION,
        lineage=lineage,
    )
