"""Time differences in a stream: with their sample, whole, under the receivers that x has, and only where asked for."""

import itertools

import msgspec
import numpy as np
import pytest

from iqstream.cli.stream import as_json
from iqstream.dataset import FeatureStream
from iqstream.dataset import stream as stream_module
from iqstream.dataset.columns import ColumnBuilder
from iqstream.dataset.join import PartitionJoin
from iqstream.dataset.record_batches import Records
from iqstream.dataset.recording import Places
from iqstream.export.pairs import STREAMED_PAIR_COLUMNS, pair_table_of_batch
from schemas import PAIR_QUANTITIES, Limits, encode
from tests.dataset_logs import NOWHERE, MemoryTopic
from tests.sink_samples import failure_record, make_spec, pair_record, whole_sample

SPEC = make_spec(samples=10, receivers=3, publish="features", pairs=True)
PLAIN = make_spec(samples=10, receivers=4)
US = PAIR_QUANTITIES.index("time_difference_us")


def joined(messages):
    join = PartitionJoin(Places(), None, {})
    return join, join.take(Records(list(range(len(messages))), [encode(message) for message in messages]))


def streamed(monkeypatch, messages, **arguments):
    values = [encode(message) for message in messages]
    topic = MemoryTopic([(Records(list(range(len(values))), values), len(values))])
    monkeypatch.setattr(stream_module, "open_log", topic.open_log)
    return FeatureStream(topic="t", limits=Limits(), settings=NOWHERE, **arguments)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_a_sample_is_complete_with_the_last_of_its_recordings_and_pairs_in_whatever_order_they_come(order):
    messages = [*whole_sample(SPEC, 0), pair_record(SPEC, 0)]
    _, samples = joined([messages[at] for at in order])
    assert [sample.completed_at for sample in samples] == [3]
    assert samples[0].pairs == encode(pair_record(SPEC, 0))
    assert joined([messages[at] for at in order[:-1]])[1] == []


def test_pairs_that_come_again_change_nothing_and_are_not_told_as_a_sample_that_is_missing():
    again = pair_record(SPEC, 0, pairs=())
    join, samples = joined([pair_record(SPEC, 0), again, *whole_sample(SPEC, 0), again, again])
    assert [sample.pairs for sample in samples] == [encode(pair_record(SPEC, 0))]
    join.finish()
    assert join.left_out == {}


def test_a_sample_whose_pairs_fail_or_never_come_is_none():
    messages = [*whole_sample(SPEC, 0), failure_record(SPEC, 0, None), *whole_sample(SPEC, 1)]
    join, samples = joined(messages)
    join.finish()
    assert samples == []
    assert join.left_out == {"failed": 1, "incomplete": 1}


def test_x_holds_what_the_record_says_of_each_pair_by_the_rows_of_its_receivers(monkeypatch):
    quick = msgspec.structs.replace(pair_record(SPEC, 1), pairs=pair_record(SPEC, 1).pairs[1:])
    messages = [*whole_sample(SPEC, 0), pair_record(SPEC, 0), *whole_sample(SPEC, 1), quick, *whole_sample(PLAIN, 2)]
    ((x, _, meta),) = streamed(monkeypatch, messages, pairs=True, batch_size=3)
    assert x["pairs"].shape == (3, 3, len(PAIR_QUANTITIES))
    names = meta["rx_ids"]
    for row, record in enumerate((pair_record(SPEC, 0), quick)):
        count = len(record.pairs)
        assert [tuple(names[row, pair]) for pair in x["pair_receivers"][row, :count]] == [
            (pair.receiver_a, pair.receiver_b) for pair in record.pairs
        ]
        assert x["pairs"][row, :count].tolist() == [
            [float(getattr(pair, name)) for name in PAIR_QUANTITIES] for pair in record.pairs
        ]
        assert np.isnan(x["pairs"][row, count:]).all()
        assert (x["pair_receivers"][row, count:] == -1).all()
    assert np.isnan(x["pairs"][2]).all()


def test_without_being_asked_for_x_is_as_ever_and_the_sample_the_same(monkeypatch):
    messages = [*whole_sample(SPEC, 0), pair_record(SPEC, 0)]
    ((plain, _, _),) = streamed(monkeypatch, messages)
    ((x, _, _),) = streamed(monkeypatch, messages, pairs=True)
    assert set(x) - set(plain) == {"pairs", "pair_receivers"}
    assert all(np.array_equal(x[name], plain[name]) for name in plain)


def test_pairs_of_a_hidden_receiver_are_hidden():
    """Else a reader of one split would learn from the receivers of another."""
    _, samples = joined([*whole_sample(SPEC, 0), pair_record(SPEC, 0)])
    pairs = ColumnBuilder(pairs=True).build(samples).pairs
    shown = pairs.only(np.array([[True, False, True]]))
    assert shown.receivers.tolist() == [[[-1, -1], [0, 2], [-1, -1]]]
    assert np.isfinite(shown.values[0, :, US]).tolist() == [False, True, False]


def test_a_sample_whose_pairs_cannot_be_read_is_left_out(monkeypatch):
    twice = encode(pair_record(SPEC, 0)).replace(b"rx2", b"rx1")
    values = [*[encode(record) for record in whole_sample(SPEC, 0)], twice]
    topic = MemoryTopic([(Records(list(range(4)), values), 4)])
    monkeypatch.setattr(stream_module, "open_log", topic.open_log)
    stream = FeatureStream(topic="t", limits=Limits(), settings=NOWHERE, pairs=True)
    assert list(stream) == []
    assert stream.left_out == {"unreadable": 1}


def test_a_stream_of_lines_and_one_of_tables_hold_each_pair_by_the_names_of_its_receivers(monkeypatch):
    messages = [*whole_sample(SPEC, 0), pair_record(SPEC, 0), *whole_sample(PLAIN, 2)]
    told = [msgspec.to_builtins(pair) for pair in pair_record(SPEC, 0).pairs]
    lines = [as_json(sample) for sample in streamed(monkeypatch, messages, pairs=True)]
    assert [line["pairs"] for line in lines] == [told, []]
    (batch,) = streamed(monkeypatch, messages, pairs=True, batch_size=2)
    table = pair_table_of_batch(batch)
    assert [column.name for column in STREAMED_PAIR_COLUMNS] == list(table)
    assert set(table["sample_idx"].tolist()) == {0}
    rows = [dict(zip(table, row, strict=True)) for row in zip(*(v.tolist() for v in table.values()), strict=True)]
    assert [{name: row[name] for name in told[0]} for row in rows] == told
    assert all("pairs" not in as_json(sample) for sample in streamed(monkeypatch, messages))
