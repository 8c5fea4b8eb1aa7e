"""Whose recordings they are: ids that are fit to be one, positions, calibrations, and what a dataset was begun with."""

import re
from types import SimpleNamespace

import msgspec
import pytest

from iqstream.ingest.given import AskedDataset
from iqstream.ingest.network import named, network_of, receiver_id, require_same
from iqstream.ingest.spec import agreed_spec, new_spec
from iqstream.recordings import open_recordings
from iqstream.runtime.errors import Conflict, UserError
from schemas import Receiver, read_spec
from tests.recorded import RATE_HZ, RECEIVERS, recorded_spec, write_recordings
from tests.recording_files import components, metadata, write_pair


@pytest.mark.parametrize("name", ["rxa", "Torino Süd #2", "_x", "", "é", "a" * 100, "../../etc", "a\x1b[0m\0"])
def test_any_name_becomes_an_id_that_the_spec_takes(name):
    recorded_spec(receivers=(Receiver(rx_id=receiver_id(name), latitude=0, longitude=0, altitude_m=0),))


def test_a_position_that_is_said_stands_above_the_files_and_one_may_be_unknown(tmp_path):
    write_recordings(tmp_path, 0.1)
    recordings = open_recordings([tmp_path]).recordings
    elsewhere = Receiver(rx_id="rx1", latitude=1.0, longitude=2.0, altitude_m=3.0)
    assert set(network_of(recordings, ())) == set(RECEIVERS)
    assert {one.rx_id: one for one in network_of(recordings, (elsewhere,))}["rx1"] == elsewhere
    write_pair(tmp_path, "nowhere", components("ci8", 100).tobytes(), metadata("ci8", sample_rate=RATE_HZ))
    network = network_of(open_recordings([tmp_path]).recordings, ())
    assert [one.rx_id for one in network if one.placed is None] == ["nowhere"]


def test_a_calibration_is_its_receivers_and_one_of_nobody_is_refused(tmp_path):
    write_recordings(tmp_path, 0.1)
    recordings = open_recordings([tmp_path]).recordings
    found = {one.rx_name: one.dbm_at_full_scale for one in named(recordings, {"rx1": -20.5})}
    assert found == {"rx0": None, "rx1": -20.5, "rx2": None}
    with pytest.raises(UserError, match="rx9 is none of rx0, rx1, rx2"):
        named(recordings, {"rx9": 0.0})


def test_two_receivers_of_one_id_are_refused(tmp_path):
    for name in ("a+b", "a#b"):
        write_pair(tmp_path, name, components("ci8", 100).tobytes(), metadata("ci8", sample_rate=RATE_HZ))
    with pytest.raises(UserError, match="would both be called a-b"):
        named(open_recordings([tmp_path]).recordings, {})


def test_a_dataset_keeps_the_network_that_it_was_begun_with(tmp_path):
    write_recordings(tmp_path, 0.1)
    recordings = open_recordings([tmp_path]).recordings
    require_same(RECEIVERS, recordings, RECEIVERS[:1])
    require_same(recorded_spec().receivers, recordings, RECEIVERS[:1])
    with pytest.raises(UserError, match=re.escape("rx2 is none of the dataset's receivers, rx0, rx1")):
        require_same(RECEIVERS[:2], recordings, ())
    moved = Receiver(rx_id="rx0", latitude=1.0, longitude=2.0, altitude_m=3.0)
    with pytest.raises(UserError, match="rx0 stands elsewhere"):
        require_same(RECEIVERS, recordings, (moved,))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"pairs": True}, "--pairs: dataset 'Begun' was begun without --pairs"),
        ({"sample_rate_hz": 12_000.0}, "--to-rate: dataset 'Begun' was begun without --to-rate"),
        ({"window_ms": 10}, "--window-ms: dataset 'Begun' was begun with 1000"),
        ({"iq_samples": 0}, "--iq-samples: dataset 'Begun' was begun with 100"),
        ({"min_snr_db": 0.0}, "--min-snr: dataset 'Begun' was begun with 3.0"),
        ({"min_receivers": 2}, "--min-receivers: dataset 'Begun' was begun with 1,"),
        ({"pairs": False}, ""),
        ({"window_ms": 1000, "min_snr_db": 3.0, "min_receivers": 1}, ""),
        ({}, ""),
    ],
)
def test_a_dataset_is_gone_on_with_as_it_was_begun_and_what_differs_is_refused_with_its_option(asked, words):
    begun = recorded_spec(name="Begun")
    dataset = SimpleNamespace(name="Begun", spec=begun)
    if not words:
        assert agreed_spec(dataset, AskedDataset(name="Begun", **asked), (), "1") == begun
        return
    with pytest.raises(Conflict, match=re.escape(words)):
        agreed_spec(dataset, AskedDataset(name="Begun", **asked), (), "1")


def test_time_differences_are_in_the_spec_where_they_are_asked_for_and_change_nothing_else():
    for pairs, stands in ((None, False), (False, False), (True, True)):
        spec = new_spec(AskedDataset(name="New", receivers=RECEIVERS, pairs=pairs), (), "1")
        assert spec.pairs is stands
        assert spec.content_sha256() == recorded_spec().content_sha256()
    dataset = SimpleNamespace(name="New", spec=spec)
    with pytest.raises(Conflict, match="--no-pairs: dataset 'New' was begun with --pairs"):
        agreed_spec(dataset, AskedDataset(name="New", pairs=False), (), "1")
    older = msgspec.json.decode(msgspec.json.encode(recorded_spec()))
    del older["pairs"]  # of a dataset that was begun before there were any
    assert read_spec(msgspec.json.encode(older), recorded=True).pairs is False
