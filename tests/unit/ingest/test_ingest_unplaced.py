"""A receiver whose place is not known goes all the way, and has no part in geometry."""

import dataclasses
import json

import msgspec
import numpy as np
import pytest

from extractor.pairs.measure import reach_us
from iqstream.dataset.columns import ColumnBuilder
from iqstream.dataset.join import PartitionJoin
from iqstream.dataset.record_batches import Records
from iqstream.dataset.recording import Places
from iqstream.dataset_distributions import by_distance
from iqstream.dataset_figures import distances_km
from iqstream.export.rows import _Tables
from iqstream.ingest.live.recorder import Recorder
from iqstream.plot.page import _placed
from iqstream.plot.picture import heard_link
from iqstream.recordings import open_recordings
from iqstream.web.map import receivers_map
from schemas import Receiver, Station, TransmitterPosition, encode, read_spec
from sink.quality import assess
from tests.recorded import RECEIVERS, recorded_spec, recorded_window
from tests.sink_samples import make_spec, network, whole_sample
from tests.unit.export.test_export import SELECTION, dataset, stored
from tests.unit.ingest.test_ingest_live import NOON_NS, RECORDING

ROOF = Station(rx_id="roof", latitude=None, longitude=None, altitude_m=None)
SPEC = recorded_spec(receivers=(*RECEIVERS, ROOF))
ALONE = recorded_spec(receivers=(ROOF,))
HERE = TransmitterPosition(latitude=45.1, longitude=7.3)


def recorded_sample(*, unplaced):
    records = []
    for number, record in enumerate(whole_sample(make_spec(receivers=4), 0, truth=False)):
        station = network(4)[number]
        if number < unplaced:
            station = Station(rx_id=station.rx_id, latitude=None, longitude=None, altitude_m=None)
        records.append(msgspec.structs.replace(record, receiver=station, position=HERE, recorded=recorded_window()))
    return records


def test_a_place_is_whole_or_none_and_a_station_of_known_place_equals_its_receiver():
    known = Station(rx_id="a", latitude=1.0, longitude=2.0, altitude_m=3.0)
    assert known == known.placed == Receiver(rx_id="a", latitude=1.0, longitude=2.0, altitude_m=3.0)
    assert [known != known.placed, known.placed != known] == [False, False]
    assert known != ROOF
    assert (len({known, known.placed}), ROOF.placed, SPEC.unplaced) == (1, None, ("roof",))
    for place in ({"latitude": 1.0}, {"longitude": 1.0, "latitude": 2.0}, {"altitude_m": 0.0}):
        with pytest.raises(ValueError, match="a has a place, or none"):
            Station(**({"rx_id": "a", "latitude": None, "longitude": None, "altitude_m": None} | place))
    with pytest.raises(ValueError, match="latitude"):
        Receiver(rx_id="a", latitude=None, longitude=None, altitude_m=None)
    assert read_spec(msgspec.json.encode(SPEC), recorded=True) == SPEC


def test_geometry_is_of_those_whose_place_is_known():
    limits = SPEC.limits
    whole, three = (assess(recorded_sample(unplaced=count), limits).figures for count in (0, 1))
    of_three = assess(recorded_sample(unplaced=0)[1:], limits).figures
    assert (len(three.detected), three.gdop) == (4, of_three.gdop)
    assert whole.gdop != three.gdop
    assert assess(recorded_sample(unplaced=2), limits).figures.gdop is None
    assert distances_km(SPEC, [(45.0, 7.0)]).shape == (1, 3)
    assert distances_km(ALONE, [(45.0, 7.0)]).shape == (1, 0)


def test_a_stream_gives_it_no_coordinates():
    records = recorded_sample(unplaced=1)
    join = PartitionJoin(Places(), None, {})
    joined = join.take(Records(list(range(4)), [encode(record) for record in records]))
    (coordinates,) = ColumnBuilder().build(joined).receivers
    assert np.isnan(coordinates[0, :3]).all()
    assert not np.isnan(coordinates[0, 3])
    assert not np.isnan(coordinates[1:]).any()


def test_an_export_has_empty_cells_and_a_map_and_pictures_leave_it_out():
    one = dataset()
    names = [receiver.rx_id for receiver in one.spec.receivers]
    lost = Station(rx_id=names[0], latitude=None, longitude=None, altitude_m=None)
    recorded = dataclasses.replace(one, spec=recorded_spec(receivers=(lost, *one.spec.receivers[1:])), recorded=True)
    table = _Tables(recorded, SELECTION, one.id, None).table([stored(one)])
    for column in ("rx_latitude", "rx_longitude", "rx_altitude_m"):
        assert np.isnan(table[column]).tolist() == [True, False, False]
    assert [receiver.rx_id for receiver in _placed(recorded)] == names[1:]
    assert heard_link(recorded_sample(unplaced=1)[0], -12.0) is None
    assert heard_link(recorded_sample(unplaced=0)[0], -12.0) is not None
    for spec, marks in ((SPEC, []), (ALONE, []), (ALONE, [(45.0, 7.0, "accepted", "here")])):
        assert "Where roof stood is not known" in str(receivers_map(spec.receivers, marks))
    assert by_distance(ALONE, []) == []


def test_any_time_difference_on_earth_is_possible_with_it():
    assert reach_us(ROOF, RECEIVERS[0]) > 66_000 > reach_us(RECEIVERS[0], RECEIVERS[1])


def test_a_recording_of_it_says_no_place(tmp_path):
    recorder = Recorder(tmp_path, RECORDING, ROOF)
    recorder.write(bytes(20_000), NOON_NS, "")
    recorder.close()
    assert open_recordings([tmp_path]).recordings[0].position is None
    (meta,) = tmp_path.glob("*.sigmf-meta")
    assert "core:geolocation" not in json.loads(meta.read_text())["global"]
