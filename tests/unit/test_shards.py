"""A dataset is cut into shards that cover it once, as large as a good transaction of what becomes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.shards import samples_per_shard, shards
from iqstream.submit.spec import make_spec
from schemas import Capture
from tests.producer_specs import ring_of


@given(st.integers(1, 99), st.sampled_from(["frames", "features"]), st.data())
def test_shards_cover_every_sample_once_and_in_order_from_wherever_they_begin(samples, publish, data):
    spec = make_spec(name="x", samples=samples, publish=publish)
    first = data.draw(st.integers(0, samples))
    assert [index for shard in shards(spec, first) for index in shard.sample_indices] == list(range(first, samples))


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({}, 2),
        ({"publish": "features"}, 8),
        ({"publish": "features", "capture": Capture(capture_ms=50, chunk_ms=50)}, 8),
        ({"publish": "features", "capture": Capture(capture_ms=4000)}, 2),
        ({"publish": "features", "receivers": ring_of(64)}, 1),
    ],
)
def test_a_shard_is_as_large_as_the_iq_of_its_transaction_allows(fields, size):
    assert samples_per_shard(make_spec(name="x", samples=9, **fields)) == size
