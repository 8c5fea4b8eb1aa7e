"""What a reader passes without a sample coming of it is counted once, wherever it stops, and told at the end."""

from collections import Counter

import msgspec
import pytest

from iqstream.dataset import FeatureStream
from iqstream.dataset import stream as stream_module
from iqstream.dataset.record_batches import Records
from schemas import Limits, encode
from tests.dataset_logs import NOWHERE, MemoryTopic
from tests.sink_samples import failure_record, feature_record, make_spec, whole_sample

SPEC = make_spec(samples=40, receivers=3)
EXPECTED = {"failed": 2, "incomplete": 2, "unreadable": 3}


@pytest.fixture
def topic(monkeypatch):
    """A good sample before, between and after what is none."""
    no_values = encode(feature_record(SPEC, 20)).replace(b"values", b"valves")
    messages = [
        *whole_sample(SPEC, 0),
        b"\xc1",
        failure_record(SPEC, 1, 0), *whole_sample(SPEC, 1)[1:],
        *whole_sample(SPEC, 2)[:2],  # the third never comes
        *whole_sample(SPEC, 3),
        no_values,
        failure_record(SPEC, 4, None),
        *whole_sample(SPEC, 5),
        None,
        feature_record(SPEC, 6),  # nor do these
        *whole_sample(SPEC, 7),
        *whole_sample(SPEC, 8, snr_db=-20.0),  # rejected, which is an answer
    ]  # fmt: skip
    values = [encode(message) if isinstance(message, msgspec.Struct) else message for message in messages]
    topic = MemoryTopic([(Records(list(range(len(values))), values), len(values))])
    monkeypatch.setattr(stream_module, "open_log", topic.open_log)
    return topic


@pytest.mark.parametrize("window", [1, 4, 1024])
@pytest.mark.parametrize("batch_size", [None, 1, 3])
@pytest.mark.parametrize("taken", range(5))
def test_it_is_counted_once_by_whoever_passes_it(topic, caplog, window, batch_size, taken):
    def stream():
        return FeatureStream(topic="t", limits=Limits(), settings=NOWHERE, window=window, batch_size=batch_size)

    first, then = stream(), stream()
    for number, _ in enumerate(first):
        if number == taken:
            break
    then.load_state_dict(first.state_dict())
    list(then)
    assert first.left_out + then.left_out == Counter(EXPECTED)
    whole = stream()
    list(whole)
    assert "epoch 0 leaves out: 2 failed, 2 incomplete, 3 unreadable" in caplog.text
    list(whole)
    assert whole.left_out == Counter(EXPECTED)
