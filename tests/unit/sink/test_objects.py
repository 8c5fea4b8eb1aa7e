"""Objects have names that cannot leave their place, and bytes that follow from their content."""

import io

import numpy as np
import pytest

from sink.objects import npy_bytes, object_name


def test_objects_are_named_by_dataset_sample_and_receiver():
    assert object_name("d-1", 12, "torino") == "synthetic/d-1/12/torino.npy"


@pytest.mark.parametrize("part", ["", "..", "a/b", "../x", ".hidden", "a\0", "a b"])
def test_a_name_that_would_change_the_path_is_refused(part):
    with pytest.raises(ValueError, match="object"):
        object_name("d", 0, part)
    with pytest.raises(ValueError, match="object"):
        object_name(part, 0, "rx")


def test_a_recording_comes_back_as_it_was_and_gives_the_same_bytes_again():
    iq = np.random.default_rng(3).normal(size=(500, 2)).astype(np.float32).view(np.complex64).ravel()
    data = npy_bytes(iq)
    read = np.load(io.BytesIO(data), allow_pickle=False)
    assert read.dtype == np.complex64
    assert np.array_equal(read, iq)
    assert npy_bytes(iq[::1].copy()) == data
