"""The folder for the Hub: what others' libraries say of it, and that they read the rows as they were written."""

import hashlib
import importlib
import json
import os

import numpy as np
import pytest

from iqstream.export import huggingface
from iqstream.export.huggingface import HuggingFaceWriter
from iqstream.export.pairs import PAIR_COLUMNS
from iqstream.export.table import COLUMNS
from tests.unit.export.test_export import dataset, pair_objects, table, with_pairs

METADATA = {"name": 'a "name": # x', "dataset_id": dataset().id, "dataset_version": 1}
pytestmark = pytest.mark.filterwarnings("ignore")  # other people's libraries warn as they like


def library(name):
    """Of the dependency group `interop`; where it is missing the test is skipped and names it, in CI it fails."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no {name}: make interop ({error})")
        pytest.skip(f"no {name}: make interop ({error})")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A table of three rows twice in one split and once in another, two rows to a shard."""
    monkeypatch.setattr(huggingface, "ROWS_PER_SHARD", 2)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    path = tmp_path / "hub"
    with HuggingFaceWriter(path, METADATA) as writer:
        for split in ("train", "test", "train"):
            rows = table()
            rows["split_random"] = np.full(len(rows["sample_idx"]), split)
            writer.write(rows)
    assert writer.write_card("# Card\n") == path / "README.md"
    return path


def test_shards_are_numbered_named_by_split_and_digested(folder):
    names = sorted(path.name for path in (folder / "data").iterdir())
    assert names == ["test-00000-of-00001.parquet", "train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    told = {
        one["contentUrl"]: one["sha256"] for one in json.loads((folder / "croissant.json").read_text())["distribution"]
    }
    assert told == {f"data/{name}": hashlib.sha256((folder / "data" / name).read_bytes()).hexdigest() for name in names}


def test_mlcroissant_validates_the_description_and_reads_the_rows(folder):
    mlcroissant = library("mlcroissant")
    found = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert not found.metadata.ctx.issues.errors
    assert json.loads((folder / "croissant.json").read_text())["conformsTo"].endswith("1.1")
    rows = list(found.records("test-00000-of-00001"))
    assert len(rows) == 3
    assert set(rows[0]) == {f"test-00000-of-00001/{column.name}" for column in COLUMNS}
    assert rows[0]["test-00000-of-00001/snr_db_mean"] == table()["snr_db_mean"][0]


def test_datasets_reads_the_splits_that_the_card_names(folder):
    loaded = library("datasets").load_dataset(str(folder))
    assert {name: len(split) for name, split in loaded.items()} == {"train": 6, "test": 3}
    assert loaded["train"].column_names == [column.name for column in COLUMNS]
    assert loaded["test"][0]["snr_db_mean"] == table()["snr_db_mean"][0]


@pytest.fixture
def folder_with_pairs(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    rows, pairs = with_pairs()
    with HuggingFaceWriter(tmp_path / "hub", METADATA) as writer, writer.of_pairs() as of_pairs:
        writer.write(rows)
        of_pairs.write(pairs)
    writer.write_card("# Card\n")
    return tmp_path / "hub", rows["split_random"][0]


def test_time_differences_are_a_second_configuration_described_and_digested(folder_with_pairs):
    path, split = folder_with_pairs
    described = json.loads((path / "croissant.json").read_text())
    place = f"pairs/{split}-00000-of-00001.parquet"
    told = {one["contentUrl"]: one["sha256"] for one in described["distribution"]}
    assert told[place] == hashlib.sha256((path / place).read_bytes()).hexdigest()
    fields = {one["name"]: [field["name"] for field in one["field"]] for one in described["recordSet"]}
    assert fields[f"pairs-{split}-00000-of-00001"] == [column.name for column in PAIR_COLUMNS]
    assert f"- config_name: pairs\n  data_files:\n  - split: {split}\n" in (path / "README.md").read_text()


def test_both_libraries_read_the_time_differences(folder_with_pairs):
    path, split = folder_with_pairs
    loaded = library("datasets").load_dataset(str(path), "pairs")[split]
    assert [{name: row[name] for name in pair_objects()[0]} for row in loaded] == pair_objects()
    mlcroissant = library("mlcroissant")
    found = list(mlcroissant.Dataset(jsonld=str(path / "croissant.json")).records(f"pairs-{split}-00000-of-00001"))
    assert len(found) == len(pair_objects())


@pytest.mark.parametrize("fails", ["rows", "pairs"])
def test_an_export_with_time_differences_that_fails_leaves_nothing(tmp_path, fails):
    def export():
        with HuggingFaceWriter(tmp_path / "hub", METADATA) as writer, writer.of_pairs() as of_pairs:
            writer.write(with_pairs()[0])
            if fails == "rows":
                raise RuntimeError
            of_pairs.write(with_pairs()[1])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        export()
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_leaves_nothing(tmp_path):
    def export():
        with HuggingFaceWriter(tmp_path / "hub", METADATA) as writer:
            writer.write(table())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        export()
    assert list(tmp_path.iterdir()) == []
