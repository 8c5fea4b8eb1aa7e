"""A spec says what is wrong with it, and its digest is that of its content."""

import math
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest
from hypothesis import given

from schemas import Antennas, Capture, Clocks, DatasetSpec, GenerationShard, Impairments, Limits, Scenario, Terrain
from tests.golden_wire import DATASET_ID, SPEC
from tests.strategies import SEEDED, dataset_specs, generation_shards

IDENTITY = {
    "dataset_id": "11111111-2222-4333-8444-555555555555",
    "dataset_version": 9,
    "name": "another",
    "samples": 7,
    "iq_samples": 1,
    "publish": "features",
    "pairs": True,
}
OTHER_WORDS = {
    "either": "upper",
    "auto": "cf32_le",
    "carrier": "nbfm",
    "rural": "city",
    "suburban": "urban",
    "N45E007": "S01W001",
    "5a" * 32: "5b" * 32,
}
TIED = {("terrain", "source")}
"""Cannot change alone."""

Path = tuple[str | int, ...]


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every scalar of nested maps and lists, with its path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            yield from leaves(inner, (*path, position))
    else:
        yield path, value


def content_leaves() -> list[tuple[Path, Any]]:
    """The scalars that decide what a sample holds."""
    return [
        (path, value)
        for path, value in leaves(msgspec.to_builtins(SPEC))
        if path[0] not in {*IDENTITY, "clocks", "antennas"} and path not in TIED
    ]


def changed(path: Path, value: Any) -> DatasetSpec:
    """The golden spec with another value at a path, read."""
    return msgspec.convert(changed_fields(path, value), DatasetSpec)


def changed_fields(path: Path, value: Any) -> dict[str, Any]:
    """The fields of the golden spec with another value at a path."""
    fields = msgspec.to_builtins(SPEC)
    place: Any = fields
    for step in path[:-1]:
        place[step] = list(place[step]) if isinstance(place[step], tuple) else place[step]
        place = place[step]
    place[path[-1]] = value
    return fields


def with_another(field: str) -> DatasetSpec:
    """The golden spec with another identity."""
    return msgspec.convert(changed_fields((field,), IDENTITY[field]), DatasetSpec)


def another(value: Any) -> Any:
    """A valid value that is not this one."""
    if isinstance(value, str):
        return OTHER_WORDS.get(value, value + "x")
    if isinstance(value, bool):
        return not value
    if value is None:
        return 1.0
    return value + 1 if isinstance(value, int) else value * 0.997 + 0.0011


@pytest.mark.parametrize(("path", "value"), content_leaves(), ids=lambda part: str(part).replace(" ", ""))
def test_the_digest_changes_with_every_field_of_the_content(path: Path, value: Any) -> None:
    assert changed(path, another(value)).content_sha256() != SPEC.content_sha256()


def test_the_digest_changes_with_clocks_that_err_and_with_their_errors() -> None:
    same = [SPEC, msgspec.structs.replace(SPEC, clocks=Clocks(offset_us=3.0, rate_ppm=0.5))]
    erring = [
        msgspec.structs.replace(SPEC, clocks=Clocks(kind=kind, offset_us=offset_us))
        for kind in ("gnss", "free")
        for offset_us in (0.05, 3.0)
    ]
    assert len({spec.content_sha256() for spec in same}) == 1
    assert len({spec.content_sha256() for spec in (*same, *erring)}) == 5


def test_the_digest_changes_with_antennas_that_aim() -> None:
    kinds = [Antennas(), Antennas(transmitter="whip"), Antennas(receiver="yagi"), Antennas(receiver="mixed")]
    assert len({msgspec.structs.replace(SPEC, antennas=one).content_sha256() for one in kinds}) == 4


def test_a_free_clock_that_runs_too_far_within_a_recording_is_refused() -> None:
    at_most = {"capture": Capture(capture_ms=2000), "clocks": Clocks(kind="free")}
    msgspec.structs.replace(SPEC, **at_most)
    with pytest.raises(ValueError, match=r"clocks.kind: .* 4.002 us within 2001 ms, at most 4"):
        msgspec.structs.replace(SPEC, **at_most | {"capture": Capture(capture_ms=2001)})
    msgspec.structs.replace(SPEC, capture=Capture(capture_ms=2001), clocks=Clocks(kind="gnss"))


def test_the_digest_changes_with_the_terrains_source() -> None:
    made_up, none = (msgspec.structs.replace(SPEC, terrain=Terrain(source=s)) for s in ("procedural", "none"))
    assert len({spec.content_sha256() for spec in (SPEC, made_up, none)}) == 3


@pytest.mark.parametrize("field", IDENTITY)
def test_the_digest_ignores_identity_and_size(field: str) -> None:
    spec = with_another(field)
    assert spec != SPEC
    assert spec.content_sha256() == SPEC.content_sha256()


@pytest.mark.parametrize("field", [*IDENTITY, "limits"])
def test_datasets_of_the_same_recordings_are_split_alike(field: str) -> None:
    spec = changed((field,), {"min_snr_db": 12.0}) if field == "limits" else with_another(field)
    assert spec != SPEC
    assert spec.split_salt() == SPEC.split_salt()


@pytest.mark.parametrize("path", [("seed",), ("frequency_hz",), ("generator_version",), ("receivers", 0, "latitude")])
def test_datasets_of_other_recordings_are_not_split_alike(path: Path) -> None:
    value = next(value for at, value in leaves(msgspec.to_builtins(SPEC)) if at == path)
    assert changed(path, another(value)).split_salt() != SPEC.split_salt()


def test_the_salt_is_the_same_for_good() -> None:
    assert SPEC.split_salt() == ("7b8e0221-867d-e499-e341-da491876af21")


def test_the_digest_depends_on_the_order_of_receivers() -> None:
    other = msgspec.structs.replace(SPEC, receivers=SPEC.receivers[::-1])
    assert other.content_sha256() != SPEC.content_sha256()


def test_equal_specs_of_integers_and_floats_have_one_digest() -> None:
    whole = msgspec.structs.replace(SPEC, frequency_hz=145_500_000)
    assert whole.content_sha256() == SPEC.content_sha256()


def test_the_digest_is_the_same_for_good() -> None:
    assert SPEC.content_sha256() == "7288fad6236b5a4977e527d9ce8ee6ee498114c5e15f0a3d129980d51457e838"


@SEEDED
@given(dataset_specs())
def test_a_spec_survives_json_with_its_digest(spec: DatasetSpec) -> None:
    stored = msgspec.json.decode(msgspec.json.encode(spec), type=DatasetSpec)
    assert stored == spec
    assert stored.content_sha256() == spec.content_sha256()


TWIN = {"rx_id": "twin", "latitude": 45.02, "longitude": 7.29, "altitude_m": 100.0}
WRONG = [
    (("samples",), 0, "$.samples"),
    (("samples",), 10_000_001, "$.samples"),
    (("samples",), 1.5, "$.samples"),
    (("seed",), -1, "$.seed"),
    (("name",), "", "$.name"),
    (("name",), "a\0b", "$.name"),
    (("dataset_id",), "not-a-uuid", "$.dataset_id"),
    (("dataset_id",), DATASET_ID.upper(), "$.dataset_id"),
    (("dataset_id",), DATASET_ID + "\n", "$.dataset_id"),
    (("frequency_hz",), 1e6, "$.frequency_hz"),
    (("frequency_hz",), math.nan, "$.frequency_hz"),
    (("frequency_hz",), "144MHz", "$.frequency_hz"),
    (("datatype",), "ci8", "$.datatype"),
    (("receivers",), [], "$.receivers"),
    (("receivers", 2, "latitude"), 90.5, "$.receivers[2].latitude"),
    (("receivers", 0, "rx_id"), "../x", "$.receivers[0].rx_id"),
    (("receivers", 0, "rx_id"), "torino\n", "$.receivers[0].rx_id"),
    (("receivers", 0, "rx_id"), "torino", "receivers: rx_id torino is duplicated"),
    (("receivers", 2), TWIN, "receivers: giaveno and twin have the same coordinates but altitudes of 600 m and 100 m"),
    (("capture", "sample_rate_hz"), 0.0, "$.capture.sample_rate_hz"),
    (("capture", "sample_rate_hz"), 20e6, "sample_rate_hz, capture_ms: 10000000 samples"),
    (("capture", "chunk_ms"), 501, "chunk_ms, capture_ms: 501 is above 500"),
    (("capture",), {"capture_ms": 4097, "chunk_ms": 1}, "chunk_ms: 4097 chunks in a recording, at most 4096"),
    (("scenario", "inside_share"), 1.1, "$.scenario.inside_share"),
    (("scenario", "eirp_min_w"), 60.0, "eirp_min_w, eirp_max_w: 60.0 is above 50.0"),
    (("scenario", "tx_height_max_m"), 1.0, "tx_height_min_m, tx_height_max_m"),
    (("scenario", "modulation"), "wfm", "$.scenario.modulation"),
    (("impairments", "iq_phase_error_deg"), 90.0, "$.impairments.iq_phase_error_deg"),
    (("propagation", "noise_figure_db"), -1.0, "$.propagation.noise_figure_db"),
    (("propagation", "clutter"), "city", "$.propagation.clutter"),
    (("propagation", "effective_earth_factor"), 0.1, "$.propagation.effective_earth_factor"),
    (("terrain", "hurst"), 0.5, "$.terrain.hurst"),
    (("terrain", "profile_step_m"), 100.5, "$.terrain.profile_step_m"),
    (("terrain", "source"), "procedural", "tiles: 1 of them, but source is 'procedural'"),
    (("terrain", "tiles"), [], "tiles: 0 of them, but source is 'tiles'"),
    (("terrain", "tiles", 0, "name"), "../N45E007", "$.terrain.tiles[0].name"),
    (("terrain", "tiles", 0, "sha256"), "5A" * 32, "$.terrain.tiles[0].sha256"),
    (("channel", "taps_min"), 7, "taps_min, taps_max: 7 is above 6"),
    (("channel", "delay_min_us"), 6.0, "delay_min_us, delay_max_us"),
    (("channel", "rician_k_min_db"), 11.0, "rician_k_min_db, rician_k_max_db"),
    (("channel", "speed_max_m_s"), math.inf, "$.channel.speed_max_m_s"),
    (("limits", "min_receivers"), 1, "$.limits.min_receivers"),
    (("limits", "min_receivers"), 8, "limits.min_receivers: 8 of 7 receivers"),
    (("limits", "max_gdop"), 0.0, "$.limits.max_gdop"),
]


@pytest.mark.parametrize(("path", "value", "says"), WRONG, ids=lambda part: str(part).replace(" ", "")[:40])
def test_a_wrong_spec_says_which_field(path: Path, value: Any, says: str) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        changed(path, value)
    assert says in str(raised.value)


@pytest.mark.parametrize(("path", "value", "says"), WRONG, ids=lambda part: str(part).replace(" ", "")[:40])
def test_what_is_refused_when_it_is_read_cannot_be_made_in_python(path: Path, value: Any, says: str) -> None:
    fields = changed_fields(path, value)
    with pytest.raises(ValueError, match=re.escape(says.removeprefix("$.").rsplit(".")[-1])):
        DatasetSpec(**fields)
    with pytest.raises(ValueError, match=re.escape(str(path[0]))):
        msgspec.structs.replace(SPEC, **{str(path[0]): fields[path[0]]})


@pytest.mark.parametrize(
    ("kind", "fields", "says"),
    [
        (Capture, {"capture_ms": 100, "chunk_ms": 200}, "chunk_ms, capture_ms"),
        (Capture, {"sample_rate_hz": math.inf}, "sample_rate_hz"),
        (Scenario, {"eirp_min_w": math.nan}, "eirp_min_w"),
        (Limits, {"min_snr_db": math.nan}, "min_snr_db"),
        (Limits, {"min_receivers": True}, "min_receivers"),
        (Terrain, {"hurst": 2.0}, "hurst"),
        (Impairments, {"iq_gain_error_db": -21}, "iq_gain_error_db"),
    ],
)
def test_each_part_of_a_spec_names_the_field_that_is_wrong(kind: Any, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}: "):
        kind(**fields)


def test_numbers_of_numpy_and_lists_are_taken_as_pythons_numbers_and_tuples() -> None:
    given = DatasetSpec(
        **{
            **{name: getattr(SPEC, name) for name in SPEC.__struct_fields__},
            "frequency_hz": np.float64(SPEC.frequency_hz),
            "samples": np.int64(SPEC.samples),
            "receivers": list(SPEC.receivers),
        }
    )
    assert given == SPEC
    assert hash(given) == hash(SPEC)
    assert given.content_sha256() == SPEC.content_sha256()


def test_a_recording_has_its_rate_times_its_length_in_samples() -> None:
    assert Capture().samples == 200_000
    assert SPEC.capture.samples == 24_000
    assert Capture(sample_rate_hz=1000.0, capture_ms=1, chunk_ms=1).samples == 1


def test_row_ids_differ_by_dataset_version_and_index_and_stay_for_good() -> None:
    specs = [SPEC, *(changed((field,), IDENTITY[field]) for field in ("dataset_id", "dataset_version"))]
    ids = {spec.recording_session_id(index) for spec in specs for index in range(50)}
    assert len(ids) == 150
    assert SPEC.recording_session_id(17) == UUID("dfae7a9e-b5c7-524d-a6a7-cba9be81e903")


@SEEDED
@given(generation_shards())
def test_a_shard_stays_within_its_dataset(shard: GenerationShard) -> None:
    assert len(shard.sample_indices) == shard.count
    assert shard.sample_indices[-1] < shard.spec.samples


def test_a_shard_past_its_dataset_is_refused() -> None:
    with pytest.raises(ValueError, match=r"first_idx, count: 999 \+ 2 is past the dataset's 1000"):
        GenerationShard(spec=SPEC, first_idx=999, count=2)
