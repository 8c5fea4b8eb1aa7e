"""Feature and failure records of small datasets, as the sink's tests need them."""

import math
from itertools import combinations
from uuid import uuid4

import msgspec
import numpy as np
from aiokafka import ConsumerRecord

from schemas import (
    FEATURE_NAMES,
    DatasetSpec,
    FailureRecord,
    FeatureRecord,
    FrequencyClasses,
    IQFrame,
    Lineage,
    LinkTruth,
    PairMeasurement,
    PairRecord,
    Receiver,
    TransmitterTruth,
    Truth,
    encode,
    headers,
    sample_key,
)

TOPIC = "iq.features"
CENTRE = (45.0, 8.0)


def network(receivers: int) -> tuple[Receiver, ...]:
    """A ring around CENTRE, named rx0, rx1, ... ."""
    return tuple(
        Receiver(
            rx_id=f"rx{number}",
            latitude=CENTRE[0] + 0.1 * math.cos(2 * math.pi * number / receivers),
            longitude=CENTRE[1] + 0.14 * math.sin(2 * math.pi * number / receivers),
            altitude_m=200.0,
        )
        for number in range(receivers)
    )


def make_spec(*, samples=10, receivers=3, iq_samples=2, name="", **fields) -> DatasetSpec:
    """A small dataset with an id of its own."""
    dataset_id = str(uuid4())
    return DatasetSpec(
        dataset_id=dataset_id,
        name=name or f"test {dataset_id}",
        samples=samples,
        generator_version="1",
        iq_samples=iq_samples,
        receivers=network(receivers),
        **fields,
    )


def feature_record(spec, sample_idx, receiver=0, *, generation=0, snr_db=20.0, truth=True, **fields) -> FeatureRecord:
    """What the extractor says of one receiver; `snr_db` decides the verdict."""
    by_name = dict.fromkeys(FEATURE_NAMES, 1.0) | {
        "snr_db": snr_db,
        "confidence_score": 0.75,
        "signal_present": 1.0,
    }
    values = tuple(value for name in FEATURE_NAMES for value in (by_name[name], 0.5, 0.0, 2.0))
    station = spec.receivers[receiver]
    record = FeatureRecord(
        dataset_id=spec.dataset_id,
        dataset_version=spec.dataset_version,
        sample_idx=sample_idx,
        generation=generation,
        receivers_expected=len(spec.receivers),
        pairs_expected=spec.pairs,
        receiver=station,
        captured_at_ns=1_000_000_000 * (sample_idx + 1),
        center_frequency_hz=144e6,
        sample_rate_hz=200_000.0,
        duration_ms=1000.0,
        chunk_ms=200,
        chunks=5,
        datatype="ci16_le",
        values=values,
        frequency_classes=FrequencyClasses(tone=1, fm=4),
        truth=make_truth() if truth else None,
        extractor_version="1",
        lineage=Lineage(topic="iq.frames", partition=0, offset=sample_idx * 100 + receiver, crc32=7),
    )
    return msgspec.structs.replace(record, **fields)


def failure_record(spec, sample_idx, receiver=0, *, generation=0) -> FailureRecord:
    """A receiver's frame, or with `receiver=None` a whole sample, that could not be made or read."""
    return FailureRecord(
        dataset_id=spec.dataset_id,
        dataset_version=spec.dataset_version,
        sample_idx=sample_idx,
        generation=generation,
        rx_id=None if receiver is None else spec.receivers[receiver].rx_id,
        stage="extractor",
        error="Malformed",
        message="truncated",
        lineage=Lineage(topic="iq.frames", partition=0, offset=sample_idx, crc32=None),
    )


def pair_record(spec, sample_idx, *, generation=0, **fields) -> PairRecord:
    """What is said of every pair of receivers: a difference of 10 us times the distance of their numbers."""
    pairs = tuple(
        PairMeasurement(
            receiver_a=a.rx_id,
            receiver_b=b.rx_id,
            time_difference_us=10.0 * (at_b - at_a),
            standard_deviation_us=0.5,
            coherence=0.75,
            peak_to_sidelobe_db=3.0,
            frequency_difference_hz=-20.0,
            bandwidth_hz=10_000.0,
            found=True,
        )
        for (at_a, a), (at_b, b) in combinations(enumerate(spec.receivers), 2)
    )
    record = PairRecord(
        dataset_id=spec.dataset_id,
        dataset_version=spec.dataset_version,
        sample_idx=sample_idx,
        generation=generation,
        pairs=pairs,
        extractor_version="1",
        lineage=Lineage(topic="iq.jobs", partition=0, offset=sample_idx, crc32=None),
    )
    return msgspec.structs.replace(record, **fields)


def whole_sample(spec, sample_idx, **fields) -> list[FeatureRecord]:
    """A record of every receiver."""
    return [feature_record(spec, sample_idx, receiver, **fields) for receiver in range(len(spec.receivers))]


def make_truth(latitude=CENTRE[0], longitude=CENTRE[1]) -> Truth:
    """A transmitter at a place; the rest is of no consequence to the sink."""
    link = {field.name: 0.0 for field in msgspec.structs.fields(LinkTruth) if field.required} | {
        "rician_k_db": None,
        "tap_delays_us": (0.0,),
        "tap_powers": (1.0,),
        "signal_dbm": (-90.0,),
        "noise_realised_dbm": (-110.0,),
        "snr_db": (20.0,),
    }
    return Truth(
        transmitter=TransmitterTruth(
            latitude=latitude,
            longitude=longitude,
            altitude_m=240.0,
            antenna_height_m=10.0,
            power_dbm=38.0,
            eirp_dbm=40.0,
            inside_network=True,
            modulation="nbfm",
            peak_deviation_hz=2500.0,
            frequency_offset_hz=0.0,
        ),
        link=LinkTruth(**link),
    )


def kafka_record(offset, message, *, partition=0, topic=TOPIC) -> ConsumerRecord:
    """A message as it comes out of the topic; bytes come without key and headers."""
    known = not isinstance(message, bytes)
    value = encode(message) if known else message
    return ConsumerRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=sample_key(message.dataset_id, message.sample_idx) if known else None,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=len(value),
        headers=tuple(headers(message)) if known else (),
    )


def make_frame(spec, sample_idx, receiver=0, *, samples=200) -> IQFrame:
    """A short recording that is a function of sample and receiver."""
    rng = np.random.default_rng([sample_idx, receiver])
    return IQFrame(
        dataset_id=spec.dataset_id,
        dataset_version=spec.dataset_version,
        sample_idx=sample_idx,
        receivers_expected=len(spec.receivers),
        receiver=spec.receivers[receiver],
        captured_at_ns=1,
        center_frequency_hz=144e6,
        sample_rate_hz=200_000.0,
        chunk_ms=1,
        datatype="ci16_le",
        scale=1e-6,
        truth=None,
        iq=memoryview(rng.integers(-3000, 3000, 2 * samples, dtype=np.int16).tobytes()),
    )


async def withdraw_tests(pool) -> None:
    """Cancels what tests left unfinished: a saver of the next test would take it for work."""
    await pool.execute(
        "UPDATE heimdall.datasets SET status = 'cancelled' "
        "WHERE status IN ('submitting', 'running') AND name = 'test ' || id"
    )
