"""Hypothesis strategies for every message, over the whole range of every field."""

import msgspec
from hypothesis import settings
from hypothesis import strategies as st

from schemas import (
    STATISTICS,
    Antennas,
    Capture,
    Channel,
    Clocks,
    DatasetSpec,
    FailureRecord,
    FeatureRecord,
    FrequencyClasses,
    GenerationShard,
    Impairments,
    IQFrame,
    Limits,
    Lineage,
    LinkTruth,
    PairMeasurement,
    PairRecord,
    Propagation,
    Receiver,
    ReceiverTruth,
    RecordedWindow,
    Scenario,
    Station,
    Terrain,
    TerrainTile,
    TransmitterPosition,
    TransmitterTruth,
    Truth,
)
from schemas.dataset import MAX_CHUNKS, MAX_CLOCK_DRIFT_US, MAX_RECEIVERS, MAX_SAMPLES, MAX_SHARD_SAMPLES, MODULATIONS
from schemas.envelope import Message
from schemas.features import FEATURES_OF_VERSION
from schemas.iq_frame import Datatype

SEEDED = settings(max_examples=40, deadline=None, derandomize=True, database=None)
"""The same examples in every run: a failure is a change of the code, not of the day."""

BYTES_PER_SAMPLE: dict[Datatype, int] = {"ci8": 2, "ci16_le": 4, "cf32_le": 8}
_INT32 = st.integers(0, 2**31 - 1)
_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")

finite = st.floats(-1e300, 1e300)
non_negative = st.floats(0, 1e300)
positive = st.floats(0, 1e300, exclude_min=True)
share = st.floats(0, 1)
decibels = st.floats(-300, 300)
latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)
sample_rates_hz = st.floats(1, 1e9)
names = st.text(_CHARACTERS, min_size=1, max_size=200)
dataset_ids = st.uuids().map(str)
receiver_ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True)
sample_indices = st.integers(0, MAX_SAMPLES - 1)
versions = st.integers(1, 2**31 - 1)
datatypes: st.SearchStrategy[Datatype] = st.sampled_from(list(BYTES_PER_SAMPLE))

receivers = st.builds(
    Receiver,
    rx_id=receiver_ids,
    latitude=latitudes,
    longitude=longitudes,
    altitude_m=st.floats(-500, 9000),
    antenna_height_m=st.floats(0, 1000, exclude_min=True),
)

stations = receivers | st.builds(
    Station, rx_id=receiver_ids, latitude=st.none(), longitude=st.none(), altitude_m=st.none()
)


@st.composite
def captures(draw: st.DrawFn) -> Capture:
    capture_ms = draw(st.integers(1, MAX_CHUNKS))
    return Capture(
        sample_rate_hz=draw(st.floats(1000, 2e6)),
        capture_ms=capture_ms,
        chunk_ms=draw(st.integers(1, capture_ms)),
    )


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    eirp_min_w, eirp_max_w = _ordered(draw, st.floats(0, 1e9, exclude_min=True))
    tx_height_min_m, tx_height_max_m = _ordered(draw, st.floats(0, 10_000, exclude_min=True))
    return Scenario(
        inside_share=draw(share),
        margin_deg=draw(st.floats(0, 10, exclude_min=True)),
        eirp_min_w=eirp_min_w,
        eirp_max_w=eirp_max_w,
        tx_antenna_gain_dbi=draw(decibels),
        tx_height_min_m=tx_height_min_m,
        tx_height_max_m=tx_height_max_m,
        modulation=draw(st.sampled_from(MODULATIONS)),
        sideband=draw(st.sampled_from(["upper", "lower", "either"])),
        oscillator_ppm=draw(st.floats(0, 1000)),
        transmitters_at_sea=draw(st.booleans()),
    )


propagations = st.builds(
    Propagation,
    shadowing_sigma_db=st.floats(0, 100),
    shadowing_decorrelation_km=positive,
    rx_antenna_gain_dbi=decibels,
    noise_figure_db=st.floats(0, 100),
    environment=st.sampled_from(["city", "residential", "rural"]),
    clutter=st.sampled_from(["none", "rural", "suburban", "urban", "dense_urban"]),
    effective_earth_factor=st.floats(0.5, 10),
)

terrain_tiles = st.builds(
    TerrainTile,
    name=st.from_regex(r"[NS][0-9]{2}[EW][0-9]{3}", fullmatch=True),
    sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
)


@st.composite
def terrains(draw: st.DrawFn) -> Terrain:
    tiles = draw(st.lists(terrain_tiles, max_size=3, unique_by=lambda tile: tile.name))
    return Terrain(
        source="tiles" if tiles else draw(st.sampled_from(["procedural", "none"])),
        seed=draw(st.integers(0, 2**63 - 1)),
        hurst=draw(st.floats(0.7, 0.9)),
        detail=draw(st.floats(0, 3)),
        profile_step_m=draw(st.floats(10, 100)),
        tiles=tuple(tiles),
    )


@st.composite
def channels(draw: st.DrawFn) -> Channel:
    taps_min, taps_max = sorted(draw(st.tuples(st.integers(1, 32), st.integers(1, 32))))
    delay_min_us, delay_max_us = _ordered(draw, st.floats(0, 1e6))
    rician_k_min_db, rician_k_max_db = _ordered(draw, decibels)
    speed_min_m_s, speed_max_m_s = _ordered(draw, st.floats(0, 1000))
    return Channel(
        taps_min=taps_min,
        taps_max=taps_max,
        delay_min_us=delay_min_us,
        delay_max_us=delay_max_us,
        rician_share=draw(share),
        rician_k_min_db=rician_k_min_db,
        rician_k_max_db=rician_k_max_db,
        speed_min_m_s=speed_min_m_s,
        speed_max_m_s=speed_max_m_s,
    )


impairments = st.builds(
    Impairments,
    phase_noise_linewidth_hz=st.floats(0, 10_000),
    iq_gain_error_db=st.floats(-20, 20),
    iq_phase_error_deg=st.floats(-60, 60),
    dc_offset_db=st.none() | st.floats(-100, 100),
    clip_level_db=st.none() | st.floats(-40, 100),
)


antennas = st.builds(
    Antennas,
    transmitter=st.sampled_from(["constant", "whip", "rubber_duck", "yagi", "mixed"]),
    receiver=st.sampled_from(["constant", "dipole", "collinear", "yagi", "mixed"]),
)


def clocks(drift_us: float) -> st.SearchStrategy[Clocks]:
    """Clocks of any kind that may drift so much within a recording."""
    kinds = ["ideal", "gnss", "free"] if drift_us <= MAX_CLOCK_DRIFT_US else ["ideal", "gnss"]
    return st.builds(Clocks, kind=st.sampled_from(kinds), offset_us=st.floats(0, 10_000), rate_ppm=st.floats(0, 1))


@st.composite
def dataset_specs(draw: st.DrawFn) -> DatasetSpec:
    network = draw(
        st.lists(receivers, min_size=2, max_size=4, unique_by=(lambda r: r.rx_id, lambda r: (r.latitude, r.longitude)))
    )
    capture, scenario = draw(captures()), draw(scenarios())
    return DatasetSpec(
        dataset_id=draw(dataset_ids),
        name=draw(names),
        samples=draw(st.integers(1, MAX_SAMPLES)),
        generator_version=draw(names),
        dataset_version=draw(versions),
        seed=draw(st.integers(0, 2**63 - 1)),
        frequency_hz=draw(st.floats(50e6, 500e6)),
        iq_samples=draw(st.integers(0, MAX_SAMPLES)),
        datatype=draw(st.sampled_from(["auto", "cf32_le"])),
        receivers=tuple(network),
        capture=capture,
        scenario=scenario,
        propagation=draw(propagations),
        terrain=draw(terrains()),
        channel=draw(channels()),
        impairments=draw(impairments),
        clocks=draw(clocks(scenario.oscillator_ppm * capture.capture_ms / 1000)),
        antennas=draw(antennas),
        limits=Limits(
            min_snr_db=draw(finite),
            min_receivers=draw(st.integers(2, len(network))),
            max_gdop=draw(positive),
            detection_snr_db=draw(finite),
        ),
    )


@st.composite
def generation_shards(draw: st.DrawFn) -> GenerationShard:
    spec = draw(dataset_specs())
    first_idx = draw(st.integers(0, spec.samples - 1))
    return GenerationShard(
        spec=spec,
        first_idx=first_idx,
        count=draw(st.integers(1, min(MAX_SHARD_SAMPLES, spec.samples - first_idx))),
        generation=draw(_INT32),
    )


transmitter_truths = st.builds(
    TransmitterTruth,
    latitude=latitudes,
    longitude=longitudes,
    altitude_m=finite,
    antenna_height_m=finite,
    power_dbm=finite,
    eirp_dbm=finite,
    inside_network=st.booleans(),
    modulation=st.text(_CHARACTERS, max_size=32),
    peak_deviation_hz=non_negative,
    frequency_offset_hz=finite,
    modulation_depth=non_negative,
    sideband=st.sampled_from([None, "upper", "lower"]),
    mean_power_db=finite,
    occupied_bandwidth_hz=st.none() | non_negative,
)

receiver_truths = st.builds(
    ReceiverTruth,
    phase_noise_linewidth_hz=non_negative,
    iq_gain_error_db=finite,
    iq_phase_error_deg=finite,
    image_rejection_db=st.none() | finite,
    dc_offset_dbm=st.none() | finite,
    dc_phase_deg=st.none() | finite,
    clip_level_dbm=st.none() | finite,
    clipped_share=share,
)


@st.composite
def link_truths(draw: st.DrawFn) -> LinkTruth:
    taps = draw(st.integers(0, 8))
    chunks = draw(st.integers(0, 8))
    per_tap = st.lists(finite, min_size=taps, max_size=taps).map(tuple)
    per_chunk = st.lists(finite, min_size=chunks, max_size=chunks).map(tuple)
    return LinkTruth(
        distance_km=draw(non_negative),
        path_loss_db=draw(finite),
        free_space_loss_db=draw(finite),
        diffraction_loss_db=draw(finite),
        clutter_loss_db=draw(finite),
        shadowing_db=draw(finite),
        clearance_m=draw(st.none() | finite),
        terrain_max_m=draw(st.none() | finite),
        mean_signal_dbm=draw(finite),
        noise_dbm=draw(finite),
        mean_snr_db=draw(finite),
        arrival_delay_us=draw(non_negative),
        frequency_offset_hz=draw(finite),
        doppler_max_hz=draw(non_negative),
        rician_k_db=draw(st.none() | finite),
        tap_delays_us=draw(per_tap),
        tap_powers=draw(per_tap),
        rms_delay_spread_us=draw(non_negative),
        signal_dbm=draw(per_chunk),
        noise_realised_dbm=draw(per_chunk),
        snr_db=draw(per_chunk),
        quantisation_noise_dbm=draw(finite),
    )


truths = st.builds(Truth, transmitter=transmitter_truths, link=link_truths(), receiver=st.none() | receiver_truths)
lineages = st.builds(
    Lineage,
    topic=st.text(_CHARACTERS, max_size=249),
    partition=_INT32,
    offset=st.integers(0, 2**63 - 1),
    crc32=st.none() | st.integers(0, 2**32 - 1),
)


transmitter_positions = st.builds(
    TransmitterPosition, latitude=latitudes, longitude=longitudes, altitude_m=st.none() | finite
)
recorded_windows = st.builds(
    RecordedWindow,
    file=st.text(_CHARACTERS, max_size=255),
    first_sample=st.integers(0, 2**53),
    identity=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    time_source=st.sampled_from(["gnss", "ntp", "arrival", "name", "none"]),
    late_samples=share,
    level_reference=st.sampled_from(["dbm", "dbfs"]),
    clipped_share=share,
    clipped=st.booleans(),
    dc_dominates=st.booleans(),
    agc_suspected=st.booleans(),
    dc_of_device=st.booleans(),
    unaligned=st.text(_CHARACTERS, max_size=500),
    lost_before_s=st.just(msgspec.UNSET) | st.floats(0, 1e9),
)


@st.composite
def iq_frames(draw: st.DrawFn, *, datatype: Datatype | None = None, max_samples: int = 32) -> IQFrame:
    kind = draw(datatypes) if datatype is None else datatype
    size = draw(st.integers(1, max_samples)) * BYTES_PER_SAMPLE[kind]
    return IQFrame(
        dataset_id=draw(dataset_ids),
        dataset_version=draw(versions),
        sample_idx=draw(sample_indices),
        generation=draw(_INT32),
        receivers_expected=draw(st.integers(1, MAX_RECEIVERS)),
        clock_error_us=draw(st.just(0.0) | positive),
        receiver=draw(stations),
        captured_at_ns=draw(st.integers(0, 2**63 - 1)),
        center_frequency_hz=draw(positive),
        sample_rate_hz=draw(sample_rates_hz),
        chunk_ms=draw(st.integers(1, 60_000)),
        datatype=kind,
        scale=draw(st.floats(1e-30, 1e30)),
        truth=draw(st.none() | truths),
        position=draw(st.none() | transmitter_positions),
        recorded=draw(st.none() | recorded_windows),
        iq=memoryview(draw(st.binary(min_size=size, max_size=size))),
    )


_chunk_counts = st.integers(0, MAX_CHUNKS)
frequency_classes = st.builds(
    FrequencyClasses, tone=_chunk_counts, fm=_chunk_counts, narrow=_chunk_counts, wide=_chunk_counts
)


@st.composite
def feature_records(draw: st.DrawFn) -> FeatureRecord:
    count = draw(st.sampled_from([*FEATURES_OF_VERSION.values()])) * len(STATISTICS)
    return FeatureRecord(
        dataset_id=draw(dataset_ids),
        dataset_version=draw(versions),
        sample_idx=draw(sample_indices),
        generation=draw(_INT32),
        receivers_expected=draw(st.integers(1, MAX_RECEIVERS)),
        pairs_expected=draw(st.booleans()),
        receiver=draw(stations),
        captured_at_ns=draw(st.integers(0, 2**63 - 1)),
        center_frequency_hz=draw(positive),
        sample_rate_hz=draw(sample_rates_hz),
        duration_ms=draw(positive),
        chunk_ms=draw(st.integers(1, 60_000)),
        chunks=draw(st.integers(1, MAX_CHUNKS)),
        datatype=draw(datatypes),
        values=tuple(draw(st.lists(finite, min_size=count, max_size=count))),
        frequency_classes=draw(frequency_classes),
        truth=draw(st.none() | truths),
        position=draw(st.none() | transmitter_positions),
        recorded=draw(st.none() | recorded_windows),
        extractor_version=draw(names),
        lineage=draw(lineages),
    )


failure_records = st.builds(
    FailureRecord,
    dataset_id=dataset_ids,
    dataset_version=versions,
    sample_idx=sample_indices,
    generation=_INT32,
    rx_id=st.none() | receiver_ids,
    stage=st.sampled_from(["producer", "extractor", "sink"]),
    error=names,
    message=st.text(_CHARACTERS, max_size=2000),
    lineage=lineages,
)


pair_records = st.builds(
    PairRecord,
    dataset_id=dataset_ids,
    dataset_version=versions,
    sample_idx=sample_indices,
    generation=_INT32,
    pairs=st.lists(
        st.builds(
            PairMeasurement,
            receiver_a=receiver_ids.map(lambda rx_id: f"A{rx_id[:30]}"),
            receiver_b=receiver_ids.map(lambda rx_id: f"B{rx_id[:30]}"),
            time_difference_us=finite,
            standard_deviation_us=finite.map(abs),
            coherence=st.floats(0, 1),
            peak_to_sidelobe_db=finite,
            frequency_difference_hz=finite,
            bandwidth_hz=finite.map(abs),
            found=st.booleans(),
        ),
        unique_by=lambda pair: (pair.receiver_a, pair.receiver_b),
        max_size=30,
    ).map(tuple),
    extractor_version=names,
    lineage=lineages,
)


def messages() -> st.SearchStrategy[Message]:
    """Any message."""
    return st.one_of(
        dataset_specs(), generation_shards(), iq_frames(), feature_records(), failure_records, pair_records
    )


def _ordered(draw: st.DrawFn, values: st.SearchStrategy[float]) -> tuple[float, float]:
    low, high = sorted(draw(st.tuples(values, values)))
    return low, high
