"""A dataset is cut into shards that cover it once."""

from hypothesis import given
from hypothesis import strategies as st

from iqstream.shards import shards
from iqstream.submit.spec import make_spec


@given(st.integers(1, 99))
def test_shards_cover_every_sample_once_and_in_order(samples):
    spec = make_spec(name="x", samples=samples)
    assert [index for shard in shards(spec) for index in shard.sample_indices] == list(range(samples))
