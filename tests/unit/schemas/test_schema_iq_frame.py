"""What a frame's bytes mean as samples."""

import struct

import msgspec
import numpy as np
import pytest
from hypothesis import given

from schemas import IQFrame, Malformed, decode, encode, frame_crc32
from schemas.iq_frame import MAX_IQ_BYTES, component_dtype
from tests.golden_wire import FRAME_CI8, FRAME_CI16, RECORDING_CF32
from tests.strategies import BYTES_PER_SAMPLE, SEEDED, iq_frames


def test_ci8_is_signed_bytes_times_scale() -> None:
    expected = np.array([0.5 - 1j, 63.5 - 64j, -0.5j], np.complex64)
    np.testing.assert_array_equal(FRAME_CI8.samples(), expected)


def test_ci16_is_signed_little_endian_words_times_scale() -> None:
    expected = np.array([1 - 2j, 32767 - 32768j, 256j], np.complex64) / 2**20
    np.testing.assert_array_equal(FRAME_CI16.samples(), expected)


def test_cf32_is_floats_as_they_are() -> None:
    np.testing.assert_array_equal(RECORDING_CF32.samples(), np.array([1 - 0.5j, 0.25 + 1024j], np.complex64))


def test_cf32_with_a_scale_is_floats_times_scale() -> None:
    frame = msgspec.structs.replace(RECORDING_CF32, scale=0.5)
    np.testing.assert_array_equal(frame.samples(), RECORDING_CF32.samples() / 2)


@pytest.mark.parametrize("frame", [FRAME_CI8, FRAME_CI16, RECORDING_CF32])
@pytest.mark.parametrize("shift", range(8))
def test_samples_are_an_aligned_array_of_their_own_wherever_iq_begins(frame: IQFrame, shift: int) -> None:
    receiver = msgspec.structs.replace(frame.receiver, rx_id="r" * (shift + 1))
    received = decode(encode(msgspec.structs.replace(frame, receiver=receiver)), IQFrame)
    samples = received.samples()
    assert samples.dtype == np.complex64
    assert samples.ndim == 1
    assert samples.flags.aligned
    assert samples.flags.writeable
    assert not np.shares_memory(samples, np.frombuffer(received.iq, np.uint8))


@SEEDED
@given(iq_frames())
def test_duration_is_the_samples_over_the_rate(frame: IQFrame) -> None:
    count = len(frame.iq) // BYTES_PER_SAMPLE[frame.datatype]
    assert frame.duration_ms == pytest.approx(1000 * count / frame.sample_rate_hz)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 6])
def test_a_frame_holds_whole_samples_and_at_least_one(size: int) -> None:
    with pytest.raises(ValueError, match=f"iq: {size} bytes are not whole ci16_le samples of 4"):
        msgspec.structs.replace(FRAME_CI16, iq=memoryview(bytes(size)))


@pytest.mark.parametrize("iq", [np.zeros(8, "<i2").data, np.zeros((2, 8), np.uint8).data])
def test_iq_is_a_view_of_bytes(iq: memoryview) -> None:
    with pytest.raises(ValueError, match="cast it to 'B'"):
        msgspec.structs.replace(FRAME_CI16, iq=iq)


def test_iq_has_a_limit() -> None:
    with pytest.raises(ValueError, match=f"at most {MAX_IQ_BYTES}"):
        msgspec.structs.replace(FRAME_CI16, iq=memoryview(bytes(MAX_IQ_BYTES + 4)))


def test_crc32_depends_on_datatype_scale_and_iq_alone() -> None:
    crc32 = frame_crc32(FRAME_CI16)
    same = msgspec.structs.replace(FRAME_CI16, sample_idx=3, generation=9, truth=None)
    assert frame_crc32(same) == crc32
    first = struct.pack("<h", 2) + bytes(FRAME_CI16.iq[2:])
    for changed in (
        msgspec.structs.replace(FRAME_CI16, datatype="ci8"),
        msgspec.structs.replace(FRAME_CI16, scale=FRAME_CI16.scale * (1 + 2**-52)),
        msgspec.structs.replace(FRAME_CI16, iq=memoryview(first)),
    ):
        assert frame_crc32(changed) != crc32


def test_an_unknown_datatype_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(Malformed, match="datatype 'cu8' is not one of ci8, ci16_le, cf32_le"):
        component_dtype("cu8")
