"""A dataset is cut into shards that cover it once."""

from hypothesis import given
from hypothesis import strategies as st

from iqstream.shards import shards
from iqstream.submit.spec import make_spec


@given(st.integers(1, 99), st.data())
def test_shards_cover_every_sample_once_and_in_order_from_wherever_they_begin(samples, data):
    spec = make_spec(name="x", samples=samples)
    first = data.draw(st.integers(0, samples))
    assert [index for shard in shards(spec, first) for index in shard.sample_indices] == list(range(first, samples))
