"""Where an export goes: it replaces what it was told to replace, and never what is not a regular file."""

import os
from pathlib import Path

import pytest

from iqstream.export.formats import FORMATS
from iqstream.export.run import require_place
from iqstream.export.table import COLUMNS
from iqstream.export.writers import WRITERS, card_path
from iqstream.runtime.errors import UserError


def write(path, file_format):
    with WRITERS[file_format](path, {"name": "x"}):
        pass


def a_pipe(path):
    os.mkfifo(path)


def a_link_to_a_pipe(path):
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


def a_link_to_a_device(path):
    path.symlink_to("/dev/null")


@pytest.mark.parametrize(
    "place", ["data.csv", "data.csv.md", "data.csv-metadata.json", "data-pairs.csv", "data-pairs.csv-metadata.json"]
)
@pytest.mark.parametrize("make", [a_pipe, a_link_to_a_pipe, a_link_to_a_device, os.mkdir])
def test_what_is_no_regular_file_is_not_replaced_even_by_force(tmp_path, make, place):
    make(tmp_path / place)
    for force in (False, True):
        with pytest.raises(UserError, match="is not a regular file"):
            require_place(tmp_path / "data.csv", "csv", pairs=True, force=force)


def test_a_device_or_a_directory_without_a_name_is_not_replaced_by_force():
    for path in (Path("/dev/null"), Path("/dev/full"), Path(), Path("/"), Path("..")):
        with pytest.raises(UserError, match="is not a regular file"):
            require_place(path, "parquet", pairs=True, force=True)


@pytest.mark.parametrize(
    "place", ["data.csv", "data.csv.md", "data.csv-metadata.json", "data-pairs.csv", "data-pairs.csv-metadata.json"]
)
def test_a_file_is_replaced_by_force_alone(tmp_path, place):
    (tmp_path / place).touch()
    with pytest.raises(UserError, match=f"{place} exists.*--force"):
        require_place(tmp_path / "data.csv", "csv", pairs=True, force=False)
    require_place(tmp_path / "data.csv", "csv", pairs=True, force=True)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_path_that_is_not_text_is_refused_before_anything_is_read(tmp_path, file_format):
    with pytest.raises(UserError, match="is not UTF-8"):
        require_place(tmp_path / "\udcff.parquet", file_format, pairs=False, force=False)


def test_no_two_files_of_exports_to_one_folder_are_the_same(tmp_path):
    """Nor is the card of a file that ends in .md the file itself."""
    files = [tmp_path / f"data.{ending}" for ending in (*tuple(WRITERS), "md")]
    assert len({*files, *map(card_path, files)}) == 2 * len(files)


def test_a_link_stays_and_the_file_that_it_leads_to_is_written(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "data.csv", tmp_path / "link.csv"
    link.symlink_to(target)
    with pytest.raises(UserError, match=r"link\.csv exists"):  # although it leads nowhere yet
        require_place(link, "csv", pairs=True, force=False)
    write(link, "csv")
    assert link.is_symlink()
    assert target.read_text().startswith(COLUMNS[0].name)
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["data.csv"]


def test_a_folder_for_the_hub_is_never_replaced(tmp_path):
    place = tmp_path / "hub"
    require_place(place, "huggingface", pairs=True, force=False)
    place.symlink_to("nowhere")
    for force in (False, True):
        with pytest.raises(UserError, match="hub exists: choose another --output"):
            require_place(place, "huggingface", pairs=True, force=force)
