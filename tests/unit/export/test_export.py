"""What an export says of its columns: units and meanings of the table of features, in every format and on the card."""

import csv
import dataclasses
import itertools
import json
from datetime import UTC, datetime

import msgspec
import numpy as np
import pyarrow.parquet
import pytest

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.exported import ExportedSample
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.export.card import Tally, dataset_card
from iqstream.export.pairs import PAIR_COLUMNS
from iqstream.export.rows import _Tables
from iqstream.export.selection import Selection
from iqstream.export.table import COLUMNS, FEATURE_COLUMNS, STREAM_COLUMNS, TRUTH_COLUMNS
from iqstream.export.truth import truth_of
from iqstream.export.writers import WRITERS
from iqstream.runtime.errors import UserError
from producer.synthesize import synthesize_sample
from producer.version import GENERATOR_VERSION
from schemas import FEATURE_NAMES, FEATURE_TABLE, STATISTICS, Antennas, Capture, Clocks, Terrain, TerrainTile
from schemas.pair_measurement import PAIR_TABLE
from sink.rows import json_text, receiver_object
from tests.recorded import recorded_spec
from tests.sink_samples import feature_record, make_spec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SELECTION = Selection(centre=(45.0, 8.0), samples=np.array([1]), accepted=np.array([1]))


def dataset():
    return Dataset(
        id=make_spec().dataset_id, version=1, name="exported", spec=make_spec(samples=1), recorded=False,
        grows=False, samples=SampleRanges.first(1),
        status="complete", requested=1, accepted=1, rejected=0, failed=0, iq_samples=0, iq_samples_saved=0,
        created_at=NOW, status_changed_at=NOW, completed_at=NOW,
    )  # fmt: skip


def stored(dataset, *, without=()):
    """A sample as the catalogue gives it, of an extractor that did not know some features."""
    objects = [receiver_object(feature_record(dataset.spec, 0, receiver)) for receiver in range(3)]
    kept = [{name: value for name, value in one.items() if name not in without} for one in objects]
    pairs = json.loads(json_text(pair_objects())) if dataset.spec.pairs else None
    return ExportedSample(
        sample_idx=0, pairs=pairs, outcome="accepted", reason=None, figures={"mean_snr_db": 20.0},
        tx_altitude_m=1.0, extraction_metadata={}, receiver_features=[json.loads(json_text(one)) for one in kept],
    )  # fmt: skip


def pair_objects():
    """Of three receivers of the network, as the sink stores them; one difference is not found."""
    rx_ids = [receiver.rx_id for receiver in make_spec().receivers[:3]]
    return [
        {
            "receiver_a": a, "receiver_b": b, "time_difference_us": 12.5 * number, "standard_deviation_us": 0.25,
            "coherence": 0.5, "peak_to_sidelobe_db": 6.0, "frequency_difference_hz": -80.0, "bandwidth_hz": 9_000.0,
            "found": number > 0,
        }
        for number, (a, b) in enumerate(itertools.combinations(rx_ids, 2))
    ]  # fmt: skip


def table(**kept):
    one = dataset()
    return _Tables(one, SELECTION, one.id, None).table([stored(one, **kept)])


def paired_dataset():
    return dataclasses.replace(dataset(), spec=msgspec.structs.replace(make_spec(samples=1), pairs=True))


def with_pairs():
    """Rows and pairs of a sample of a dataset with time differences."""
    one = paired_dataset()
    samples, rows, pairs = _Tables(one, SELECTION, one.id, None).tables([stored(one)])
    assert samples == 1
    return rows, pairs


def test_an_export_of_recordings_says_to_what_levels_refer_and_one_of_generated_samples_has_no_such_column():
    one = dataset()
    assert "level_reference" not in _Tables(one, SELECTION, one.id, None).table([stored(one)])
    recorded = dataclasses.replace(one, spec=recorded_spec(receivers=one.spec.receivers), recorded=True)
    sample = dataclasses.replace(stored(one), extraction_metadata={"level_reference": "dbfs"})
    found = _Tables(recorded, SELECTION, one.id, None).table([sample])
    assert found["level_reference"].tolist() == ["dbfs"] * 3


def test_feature_columns_have_the_units_of_the_table():
    columns = {column.name: column for column in COLUMNS}
    for feature in FEATURE_TABLE.values():
        for statistic in STATISTICS:
            column = columns[f"{feature.name}_{statistic}"]
            assert column.unit == feature.unit_of(statistic)
            assert feature.definition in column.meaning
    assert [columns[f"{name}_mean"].unit for name in ("envelope_mean", "envelope_std", "envelope_max")] == ["1"] * 3
    assert columns["zero_crossing_rate_mean"].unit == "1/sample"
    assert (columns["rssi_dbm_mean"].unit, columns["rssi_dbm_std"].unit) == ("dBm", "dB")
    assert (columns["psd_dbm_per_hz_max"].unit, columns["psd_dbm_per_hz_std"].unit) == ("dBm/Hz", "dB")


@pytest.mark.parametrize("column", {column.name: column for column in (*COLUMNS, *STREAM_COLUMNS)}.values(), ids=str)
def test_every_measure_has_a_unit_and_a_unit_in_a_name_is_the_unit(column):
    assert bool(column.unit) == (column.dtype == "f8" or column.name == "captured_at_ns")
    if column.name not in FEATURE_COLUMNS:
        for ending, unit in {"_m": "m", "_ns": "ns", "_db": "dB", "itude": "degree"}.items():
            assert column.unit == unit or not column.name.endswith(ending)


def units_in(path):
    """Units by column, as a reader of the file finds them."""
    if path.suffix == ".parquet":
        schema = pyarrow.parquet.read_schema(path)
        return {field.name: (field.metadata or {}).get(b"unit", b"").decode() for field in schema}
    if path.suffix == ".csv":
        described = json.loads(path.with_name(f"{path.name}-metadata.json").read_text())
        with path.open(newline="") as file:
            assert next(csv.reader(file)) == [column["name"] for column in described["tableSchema"]["columns"]]
        return {column["name"]: column.get("unit", "") for column in described["tableSchema"]["columns"]}
    with np.load(path, allow_pickle=False) as arrays:
        return json.loads(arrays["metadata"].item())["units"]


@pytest.mark.parametrize("file_format", WRITERS)
def test_every_format_says_the_units(file_format, tmp_path):
    path = tmp_path / f"set.{file_format}"
    with WRITERS[file_format](path, {"name": "exported"}) as writer:
        writer.write(table())
    assert units_in(path) == {column.name: column.unit for column in COLUMNS}


def read_pairs(path):
    """The rows of a file of pairs, each value as what it is."""
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path).to_pylist()
    if path.suffix == ".csv":
        kinds = {column.name: column.dtype[0] for column in PAIR_COLUMNS}
        read = {"f": float, "i": int, "U": str, "?": {"True": True, "False": False}.get}
        with path.open(newline="") as file:
            return [{name: read[kinds[name]](text) for name, text in row.items()} for row in csv.DictReader(file)]
    with np.load(path, allow_pickle=False) as arrays:
        columns = {name: arrays[name].tolist() for name in arrays.files if name != "metadata"}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize("file_format", WRITERS)
def test_time_differences_are_a_file_of_their_own_in_every_format_value_for_value_and_with_units(file_format, tmp_path):
    rows, pairs = with_pairs()
    path, beside = tmp_path / f"set.{file_format}", tmp_path / f"set-pairs.{file_format}"
    with WRITERS[file_format](path, {"name": "exported"}) as writer, writer.of_pairs() as of_pairs:
        writer.write(rows)
        of_pairs.write(pairs)
    assert units_in(path) == {column.name: column.unit for column in COLUMNS}
    assert units_in(beside) == {column.name: column.unit for column in PAIR_COLUMNS}
    found = read_pairs(beside)
    assert [{name: row[name] for name in pair_objects()[0]} for row in found] == pair_objects()
    for name in ("dataset_id", "sample_idx", "split_random", "split_spatial"):
        assert {row[name] for row in found} == set(rows[name].tolist())


def test_a_sample_without_time_differences_has_no_rows_of_them_and_a_dataset_without_has_no_table(tmp_path):
    one = paired_dataset()
    pairs = _Tables(one, SELECTION, one.id, None).tables([dataclasses.replace(stored(one), pairs=None)]).pairs
    assert {name: len(values) for name, values in pairs.items()} == {column.name: 0 for column in PAIR_COLUMNS}
    for file_format, writer in WRITERS.items():
        with writer(tmp_path / f"set.{file_format}", {}, PAIR_COLUMNS) as file:
            file.write(pairs)
    assert _Tables(dataset(), SELECTION, one.id, None).tables([stored(dataset())]).pairs is None


def test_a_row_from_before_a_feature_was_measured_is_exported_without_it():
    old, new = table(without=("signal_present",)), table()
    assert np.isnan(old["signal_present_mean"]).all()
    assert not np.isnan(new["signal_present_mean"]).any()
    np.testing.assert_array_equal(old["snr_db_mean"], new["snr_db_mean"])


def test_the_card_defines_every_feature():
    one, tally = dataset(), Tally()
    tally.add(table())
    card = dataset_card(one, SELECTION, [], tally, file="set.csv", pairs_file="", spec_sha256="5a")
    rows = [[cell.strip() for cell in line.split(" | ")] for line in card.splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows] == [f"| `{name}`" for name in FEATURE_NAMES]
    for (_, unit, undetected, definition), feature in zip(rows, FEATURE_TABLE.values(), strict=True):
        assert (unit, undetected) == (feature.unit, feature.undetected)
        assert definition.removesuffix(" |").replace("\\|", "|") == feature.definition


def test_the_card_of_time_differences_names_their_file_and_defines_them():
    tally = Tally()
    rows, pairs = with_pairs()
    tally.add(rows)
    tally.pair_rows += len(pairs["found"])
    card = dataset_card(
        paired_dataset(), SELECTION, [], tally, file="set.csv", pairs_file="set-pairs.csv", spec_sha256="5a"
    )
    assert "`set-pairs.csv`: 3 time differences" in card
    for quantity in PAIR_TABLE.values():
        assert f"| `{quantity.name}` | {quantity.unit} | {quantity.definition} |" in card


def generated(**fields):
    """A dataset that this generator can make."""
    spec = msgspec.structs.replace(
        make_spec(samples=1), generator_version=GENERATOR_VERSION, capture=Capture(capture_ms=20, chunk_ms=4), **fields
    )
    return dataclasses.replace(dataset(), spec=spec)


def test_truth_columns_hold_what_the_generator_put_into_the_frames():
    one = generated(clocks=Clocks(kind="gnss"), antennas=Antennas(transmitter="mixed", receiver="mixed"))
    found = _Tables(one, SELECTION, one.id, truth_of(one, "")).table([stored(one)])
    frames = {frame.receiver.rx_id: frame.truth for frame in synthesize_sample(one.spec, 0).frames}
    for row, rx_id in enumerate(found["rx_id"].tolist()):
        for column in TRUTH_COLUMNS:
            name = column.name.removeprefix("truth_")
            truth = frames[rx_id]
            known = {f"tx_{field}": value for field, value in msgspec.structs.asdict(truth.transmitter).items()}
            true = (known | msgspec.structs.asdict(truth.link) | msgspec.structs.asdict(truth.receiver))[name]
            assert found[column.name][row] == true or (true is None and np.isnan(found[column.name][row]))


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (dataclasses.replace(generated(), spec=recorded_spec(), recorded=True), "real recordings"),
        (dataset(), "only the release that made it"),
        (
            generated(terrain=Terrain(source="tiles", tiles=(TerrainTile(name="N45E007", sha256="0" * 64),))),
            "cannot be drawn",
        ),
    ],
)
def test_truth_that_cannot_be_had_is_refused(one, why):
    with pytest.raises(UserError, match=why):
        truth_of(one, "")
