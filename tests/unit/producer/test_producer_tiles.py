"""SRTM tiles: where their posts lie, what voids become, and files that are none."""

import math
import subprocess
import sys
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

import sink.__main__
from extractor.pairs.record import pair_record
from extractor.record import feature_record
from iqstream.runtime.errors import UserError
from iqstream.runtime.topics import JOBS
from iqstream.runtime.transactions import SamplesFailed
from iqstream.submit.spec import read_terrain
from producer.shard_records import ShardRecords
from producer.synthesize import synthesize_sample
from producer.terrain import height_m
from producer.tile_directory import BadTile, TileDirectory, read_posts, tiles_around, tiles_in
from producer.tiles import MissingTile, tile_name, tiled_ground
from schemas import GenerationShard, Terrain, encode
from schemas.dataset import ITALY_NORTH_WEST
from tests.producer_specs import ring_of, variant
from tests.srtm_tiles import REGION, SIDE, plane_m, plane_posts, write_region, write_tile


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_region(tmp_path_factory.mktemp("tiles"))


def ground_in(directory, receivers=ITALY_NORTH_WEST):
    return tiled_ground(tiles_around(directory, receivers, 0.5), TileDirectory(directory))


@pytest.mark.parametrize(
    ("south", "west", "name"), [(45, 7, "N45E007"), (-1, -1, "S01W001"), (0, 0, "N00E000"), (-45, 170, "S45E170")]
)
def test_a_tile_is_named_by_its_south_west_corner(south, west, name):
    assert tile_name(south, west) == name


@pytest.mark.parametrize("side", [1201, 3601])
def test_rows_run_from_north_and_columns_from_west(tmp_path, side):
    heights = np.zeros((side, side), np.int16)
    heights[0, 0], heights[0, -1], heights[-1, 0], heights[-1, -1] = 1, 2, 3, 4
    heights[1, 2] = 500
    write_tile(tmp_path, 45, 7, heights)
    pair = (ring_of(2)[0], msgspec.structs.replace(ring_of(2)[0], rx_id="b"))
    here = tuple(msgspec.structs.replace(r, latitude=45.5, longitude=7.5) for r in pair)
    ground, post = ground_in(tmp_path, here), 1 / (side - 1)
    for latitude, longitude, expected in [
        (46 - 1e-12, 7.0, 1), (46 - 1e-12, 8 - 1e-12, 2), (45.0, 7.0, 3), (45.0, 8 - 1e-12, 4),
        (46 - post, 7 + 2 * post, 500), (46 - 1.5 * post, 7 + 2 * post, 250), (46 - 1.5 * post, 7 + 2.5 * post, 125),
    ]:  # fmt: skip
        assert height_m(ground, latitude, longitude) == pytest.approx(expected, abs=1e-5)


def test_a_plane_over_many_tiles_is_a_plane_and_their_shared_edges_do_not_show(directory):
    """Heights are whole metres: an error of half a metre at most, a little more for the last bits."""
    rng, ground = np.random.default_rng(1), ground_in(directory)
    latitudes, longitudes = rng.uniform(44, 46, 4000), rng.uniform(6, 10, 4000)
    latitudes[:500], longitudes[500:1000] = 45.0, 8.0
    assert np.abs(ground.heights_m(latitudes, longitudes) - plane_m(latitudes, longitudes)).max() < 0.51
    for across in (1e-9, -1e-9):
        assert height_m(ground, 45 + across, 7.7) == pytest.approx(height_m(ground, 45.0, 7.7), abs=1e-4)
        assert height_m(ground, 45.3, 8 + across) == pytest.approx(height_m(ground, 45.3, 8.0), abs=1e-4)


def test_voids_take_the_heights_around_them(tmp_path):
    heights = np.full((SIDE, SIDE), 100, np.int16)
    heights[:, 600:] = 300
    heights[600, 300] = heights[200:260, 200:260] = -32768
    heights[900:, 900:] = -32768
    write_tile(tmp_path, 45, 7, heights)
    here = tuple(msgspec.structs.replace(r, latitude=45.5, longitude=7.5) for r in ring_of(2)[:1]) * 2
    here = (here[0], msgspec.structs.replace(here[1], rx_id="b"))
    ground = ground_in(tmp_path, here)

    def at(row, column):
        return height_m(ground, 46 - row / 1200, 7 + column / 1200)

    assert at(600, 300) == at(600.3, 300.6) == 100.0
    assert at(230, 230) == at(200, 259) == 100.0
    assert at(905.5, 950.5) == 300.0
    assert at(1150, 1150) == 0.0  # more than 100 posts from any valid one
    assert all(np.isfinite(at(row, 230.5)) for row in np.linspace(190, 270, 161))


def test_places_without_a_tile_are_sea(directory):
    ground = ground_in(directory)
    assert ground.is_sea(42.5, 8.5)
    assert height_m(ground, 42.5, 8.5) == 0.0
    assert not ground.is_sea(45.5, 8.5)


@pytest.mark.parametrize("content", [b"", b"x" * 2884801, b"x" * 25934400])
def test_a_file_of_another_size_is_refused_with_what_a_tile_has(tmp_path, content):
    path = tmp_path / "N45E007.hgt"
    path.write_bytes(content)
    with pytest.raises(BadTile, match=rf"N45E007.hgt: {len(content)} bytes are no SRTM tile: one has 25934402"):
        read_posts(path)


def test_heights_that_are_none_are_refused_with_their_place(tmp_path):
    little_endian = np.full((SIDE, SIDE), 256, np.int16)
    little_endian[3, 4] = 0x0050
    path = tmp_path / "N45E007.hgt"
    path.write_bytes(little_endian.astype("<i2").tobytes())
    with pytest.raises(BadTile, match="row 3, column 4 is 20480 m high: no height on earth"):
        read_posts(path)


def test_a_missing_or_another_tile_is_refused_by_name(directory, tmp_path):
    tile = tiles_around(directory, ITALY_NORTH_WEST, 0.5)[0]
    with pytest.raises(MissingTile, match=rf"{tile.name}.hgt is not there: put the tile with sha256 {tile.sha256}"):
        TileDirectory(tmp_path).posts(tile)
    with pytest.raises(MissingTile, match=rf"{tile.name}.hgt: no tiles are given here; set IQSTREAM_TERRAIN_DIR"):
        tiles_in("").posts(tile)
    write_tile(tmp_path, 43, 6, plane_posts(44, 6))
    with pytest.raises(MissingTile, match=rf"{tile.name}.hgt is another than the dataset's: its sha256 is"):
        TileDirectory(tmp_path).posts(tile)


def test_a_sample_over_tiles_depends_on_their_content_and_not_on_where_they_lie(directory, tmp_path):
    """And needs them: without the directory it is refused by the tile's name."""
    spec = variant(terrain=read_terrain(directory, ITALY_NORTH_WEST))
    assert [tile.name for tile in spec.terrain.tiles] == [tile_name(*corner) for corner in REGION]
    for path in directory.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    here, there = (synthesize_sample(spec, 3, tiles=TileDirectory(d)) for d in (directory, tmp_path))
    assert here == there
    sent = here.frames[0].truth.transmitter
    assert sent.altitude_m == pytest.approx(plane_m(sent.latitude, sent.longitude), abs=0.51)
    with pytest.raises(MissingTile, match=r"N4\dE00\d.hgt: no tiles are given here"):
        synthesize_sample(spec, 3)


def test_producers_and_savers_work_over_the_tiles_of_their_setting(directory, monkeypatch):
    """The shard's frames, and those that the sink makes again when they have expired, are the same."""
    spec = variant(terrain=read_terrain(directory, ITALY_NORTH_WEST))
    shard = GenerationShard(spec=spec, first_idx=3, count=1)
    record = SimpleNamespace(topic=JOBS, partition=0, offset=0, value=encode(shard))
    sent = ShardRecords(set(), tiles_in(str(directory)), feature_record, pair_record).apply(record)
    given = {}
    monkeypatch.setattr(sink.__main__, "serve", lambda worker, synthesize: given.update(synthesize=synthesize))
    sink.__main__.serve_with_synthesis(SimpleNamespace(settings=SimpleNamespace(terrain_dir=str(directory))))
    again = given["synthesize"](spec, 3)
    assert [one.value for one in sent] == [encode(frame) for frame in again.frames]
    with pytest.raises(SamplesFailed) as failed:
        ShardRecords(set(), tiles_in(""), feature_record, pair_record).apply(record)
    assert isinstance(failed.value.errors[3], MissingTile)
    assert "no tiles are given here" in str(failed.value.errors[3])


def test_a_sink_starts_without_the_generator_and_its_compiler():
    """Their import costs twice what all else of a sink's start does."""
    loaded = "import sys, sink.__main__; print({'producer.synthesize', 'numba', 'scipy'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", loaded], check=True, capture_output=True).stdout == b"set()\n"


def test_generate_refuses_a_directory_without_the_receivers_tiles(directory, tmp_path):
    with pytest.raises(UserError, match=r"terrain: .* has no N45E007.hgt, on which receiver giaveno stands"):
        read_terrain(tmp_path, ITALY_NORTH_WEST)
    (tmp_path / "N45E007.hgt").write_bytes(b"not a tile")
    (tmp_path / "N44E008.hgt").write_bytes(b"not a tile")
    (tmp_path / "N45E009.hgt").write_bytes(b"not a tile")
    with pytest.raises(UserError, match=r"terrain: .*bytes are no SRTM tile"):
        read_terrain(tmp_path, ITALY_NORTH_WEST)


def test_a_region_over_the_date_line_has_the_tiles_of_both_sides(tmp_path):
    pair = tuple(
        msgspec.structs.replace(r, latitude=-17.5, longitude=longitude)
        for r, longitude in zip(ring_of(2), (179.5, 179.9), strict=True)
    )
    for west in (178, 179, -180):
        write_tile(tmp_path, -18, west, np.full((SIDE, SIDE), 7, np.int16))
    assert [tile.name for tile in tiles_around(tmp_path, pair, 0.5)] == ["S18E178", "S18E179", "S18W180"]
    ground = ground_in(tmp_path, pair)
    assert ground.heights_m(np.full(3, -17.5), np.array([179.99, -180.0, -179.99])).tolist() == [7.0, 7.0, 7.0]
    assert math.isfinite(height_m(ground, -17.5, 180.0))


def test_terrain_of_tiles_is_named_by_their_digests(directory):
    tiles = tiles_around(directory, ITALY_NORTH_WEST, 0.5)
    assert len({tile.sha256 for tile in tiles}) == len(REGION)
    changed = msgspec.structs.replace(tiles[0], sha256="0" * 64)
    specs = [variant(terrain=Terrain(source="tiles", tiles=named)) for named in (tiles, (changed, *tiles[1:]))]
    assert specs[0].content_sha256() != specs[1].content_sha256()
