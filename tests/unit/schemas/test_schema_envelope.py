"""What is written can be read, by this code and by msgpack alone, and IQ is never copied."""

from typing import Any

import msgpack
import msgspec
import numpy as np
import pytest
from hypothesis import given

from schemas import (
    DatasetSpec,
    FailureRecord,
    FeatureRecord,
    IQFrame,
    Malformed,
    UnknownSchema,
    decode,
    encode,
    headers,
    sample_key,
)
from schemas.envelope import Message
from tests.golden_wire import FAILURE, FEATURES, FRAME_CI16, GOLDEN, RECORDING_CF32, SPEC
from tests.strategies import SEEDED, iq_frames, messages


@SEEDED
@given(messages())
def test_decode_undoes_encode(message: Message) -> None:
    assert decode(encode(message)) == message


@SEEDED
@given(messages())
def test_decoded_message_encodes_to_the_same_bytes(message: Message) -> None:
    data = encode(message)
    assert encode(decode(data)) == data


@SEEDED
@given(messages())
def test_msgpack_alone_reads_every_message(message: Message) -> None:
    entries = msgpack.unpackb(encode(message))
    schema, version, *fields = entries
    assert (schema, version) == ("schema", "version")
    without = {name for name in ("position", "recorded") if getattr(message, name, None) is None}
    without |= {name for name in ("pairs_expected", "clock_error_us") if not getattr(message, name, True)}
    assert fields == [name for name in message.__struct_fields__ if name not in without]


@SEEDED
@given(messages())
def test_headers_name_the_schema_and_version_of_the_bytes(message: Message) -> None:
    entries, named = msgpack.unpackb(encode(message)), dict(headers(message))
    assert named["schema"].decode() == entries["schema"]
    assert int(named["schema_version"]) == entries["version"]


@SEEDED
@given(iq_frames())
def test_headers_of_a_frame_name_its_receiver_version_and_generation(frame: IQFrame) -> None:
    named = {name: value.decode() for name, value in headers(frame)}
    assert named["rx_id"] == frame.receiver.rx_id
    assert int(named["dataset_version"]) == frame.dataset_version
    assert int(named["generation"]) == frame.generation


def test_headers_of_a_shard_count_its_samples() -> None:
    named = dict(headers(GOLDEN["generation_shard-1"]))
    assert (named["samples"], named["dataset_version"], named["generation"]) == (b"2", b"2", b"3")


@pytest.mark.parametrize("wrap", [bytes, memoryview, bytearray])
def test_iq_is_a_view_of_the_received_bytes(wrap: Any) -> None:
    data = wrap(encode(FRAME_CI16))
    frame = decode(data, IQFrame)
    assert np.shares_memory(np.frombuffer(frame.iq, np.uint8), np.frombuffer(data, np.uint8))
    assert frame.iq == FRAME_CI16.iq


@pytest.mark.parametrize("size", [4, 252, 256, 65532, 65536, 70_000])
def test_iq_of_every_width_of_its_length_is_read(size: int) -> None:
    frame = msgspec.structs.replace(FRAME_CI16, iq=memoryview(bytes(range(256)) * 300)[:size])
    assert decode(encode(frame)) == frame


def test_a_message_of_another_kind_than_asked_for_is_refused() -> None:
    with pytest.raises(UnknownSchema, match="a feature_record is expected here, this is a iq_frame"):
        decode(encode(FRAME_CI16), FeatureRecord)
    assert decode(encode(FEATURES), FeatureRecord) == FEATURES


def test_equal_messages_of_integers_and_floats_give_equal_bytes() -> None:
    whole = msgspec.structs.replace(SPEC, frequency_hz=145_500_000)
    assert whole == SPEC
    assert encode(whole) == encode(SPEC)


def unreadable() -> list[tuple[str, Message]]:
    """Messages that Python can make and no reader would accept, by the field to blame."""
    replace = msgspec.structs.replace
    return [
        ("values", replace(FEATURES, values=(float("nan"),) * 72)),
        ("values", replace(FEATURES, values=(0.0,) * 71)),
        ("extractor_version", replace(FEATURES, extractor_version="\udc80")),
        ("extractor_version", replace(FEATURES, extractor_version="a\0")),
        ("message", replace(FAILURE, message="x" * 2001)),
        ("sample_idx", replace(FRAME_CI16, sample_idx=-1)),
        ("rx_id", replace(FAILURE, rx_id="a/b")),
    ]


@pytest.mark.parametrize(("field", "message"), unreadable())
def test_what_no_reader_would_accept_is_not_written(field: str, message: Message) -> None:
    with pytest.raises(Malformed, match=field.replace(".", r"\.")):
        encode(message)


def test_the_longest_failure_message_is_read_in_any_script() -> None:
    failure = msgspec.structs.replace(FAILURE, message="\U0001f4e1" * 2000)
    assert decode(encode(failure), FailureRecord) == failure


def test_the_largest_truth_fits_before_the_iq() -> None:
    truth = FRAME_CI16.truth
    assert truth is not None
    most = (-123.456,) * 4096
    link = msgspec.structs.replace(truth.link, signal_dbm=most, noise_realised_dbm=most, snr_db=most)
    frame = msgspec.structs.replace(FRAME_CI16, truth=msgspec.structs.replace(truth, link=link))
    assert decode(encode(frame)) == frame


def test_the_largest_network_fits() -> None:
    network = tuple(msgspec.structs.replace(SPEC.receivers[0], rx_id=f"{i:064}") for i in range(64))
    spec = msgspec.structs.replace(SPEC, receivers=network, name="ß" * 200)
    assert decode(encode(spec), DatasetSpec) == spec


def test_sample_key_is_that_of_the_topics() -> None:
    assert sample_key(RECORDING_CF32.dataset_id, 17) == b"0f8fad5b-d9cb-469f-a165-70867728950e:17"
