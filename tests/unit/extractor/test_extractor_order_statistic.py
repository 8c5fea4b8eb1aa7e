"""A value of a given rank is the one that sorting puts there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractor.features.order_statistic import select_smallest


@settings(deadline=None)  # the first example may compile
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(values=st.lists(st.integers(0, 40) | st.floats(-1e9, 1e9, width=32), min_size=1, max_size=300), data=st.data())
def test_every_rank_is_that_of_the_sorted_values(dtype, values, data):
    array = np.array(values, dtype)
    rank = data.draw(st.integers(0, array.size - 1))
    assert select_smallest(array.copy(), rank) == np.sort(array)[rank]
