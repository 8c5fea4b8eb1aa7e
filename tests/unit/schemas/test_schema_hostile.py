"""Whatever bytes arrive, a reader gets a message or a SchemaError, and no more memory than they are worth."""

import tracemalloc

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import GenerationShard, IQFrame, SchemaError, decode, encode
from schemas.envelope import _READERS, Message
from tests.golden_wire import FAILURE, FEATURES, FRAME_CI16, GOLDEN, SPEC, with_fields
from tests.hostile_wire import Hostile, bit_flips, hostile_messages, noisy, oversized, truncated
from tests.strategies import SEEDED, messages

pytestmark = pytest.mark.thorough

_MEBIBYTE = 2**20
_LONGEST_ERROR = 700

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def read(data: bytes) -> Message | None:
    """The message, None where there is none; a message that was read can be written and read again."""
    try:
        message = decode(data)
    except SchemaError:
        return None
    assert decode(encode(message)) == message
    return message


@pytest.mark.parametrize("hostile", hostile_messages(), ids=lambda hostile: hostile.name)
def test_hostile_bytes_raise_the_error_that_says_what_is_wrong(hostile: Hostile) -> None:
    with pytest.raises(SchemaError) as raised:
        decode(hostile.data)
    assert type(raised.value) is hostile.error
    assert 0 < len(str(raised.value)) <= _LONGEST_ERROR


def test_every_prefix_of_a_message_raises_a_schema_error() -> None:
    for hostile in truncated():
        with pytest.raises(hostile.error):
            decode(hostile.data)


@SEEDED
@given(messages(), st.data())
def test_no_prefix_of_any_message_is_a_message(message: Message, data: st.DataObject) -> None:
    wire = encode(message)
    size = data.draw(st.integers(0, len(wire) - 1))
    with pytest.raises(SchemaError):
        decode(wire[:size])


def test_a_claimed_length_takes_no_memory() -> None:
    """A megabyte covers the buffers for up to 300 kB of message; the claims are of gigabytes."""
    tracemalloc.start()
    try:
        for hostile in oversized():
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            with pytest.raises(SchemaError):
                decode(hostile.data)
            _, peak = tracemalloc.get_traced_memory()
            assert peak - before < 2 * _MEBIBYTE, hostile.name
    finally:
        tracemalloc.stop()


def test_reading_a_frame_takes_no_memory_for_its_iq() -> None:
    data = with_fields(FRAME_CI16, iq=bytes(16 * _MEBIBYTE))
    tracemalloc.start()
    try:
        frame = decode(data, IQFrame)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(frame.iq) == 16 * _MEBIBYTE
    assert peak < 2 * _MEBIBYTE


SMALL_SPEC = msgspec.structs.replace(
    SPEC, receivers=SPEC.receivers[:2], limits=msgspec.structs.replace(SPEC.limits, min_receivers=2)
)
ONE_OF_EACH: list[Message] = [
    SMALL_SPEC,
    GenerationShard(spec=SMALL_SPEC, first_idx=0, count=1),
    FRAME_CI16,
    FEATURES,
    FAILURE,
]


@pytest.mark.parametrize("message", ONE_OF_EACH, ids=lambda message: type(message).__name__)
def test_a_flipped_bit_gives_a_message_or_a_schema_error(message: Message) -> None:
    outcomes = {read(data) is None for data in bit_flips(encode(message))}
    assert outcomes == {True, False}


@pytest.mark.parametrize("name", GOLDEN)
def test_noise_gives_a_message_or_a_schema_error(name: str) -> None:
    for data in noisy(encode(GOLDEN[name]), seed=7, count=200):
        read(data)


@SEEDED
@given(st.binary(max_size=400))
def test_any_bytes_give_a_message_or_a_schema_error(data: bytes) -> None:
    read(data)


@SEEDED
@given(
    st.sampled_from(sorted({schema for schema, _ in _READERS})),
    st.dictionaries(st.text(max_size=8), values, max_size=6),
)
def test_any_map_under_our_names_is_refused(schema: str, fields: dict[str, object]) -> None:
    assert read(msgpack.packb({"schema": schema, "version": 1} | fields)) is None


@SEEDED
@given(st.sampled_from(list(GOLDEN.values())), values, st.data())
def test_any_value_of_a_field_gives_a_message_or_a_schema_error(
    message: Message, value: object, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(message.__struct_fields__))
    read(with_fields(message, **{name: value}))
