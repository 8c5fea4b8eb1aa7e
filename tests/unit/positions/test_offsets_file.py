"""Files of offsets."""

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from iqstream.positions.offsets_file import read_offsets, write_offsets
from iqstream.runtime.errors import UserError


@given(st.dictionaries(st.integers(0, 99), st.integers(0, 2**62), min_size=1))
def test_a_file_of_offsets_is_read_back(tmp_path_factory, offsets):
    path = tmp_path_factory.mktemp("offsets") / "back.csv"
    expected = {TopicPartition("iq.frames", partition): offset for partition, offset in offsets.items()}
    write_offsets(path, expected)
    assert read_offsets(path, group="g", topic="iq.frames") == expected


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("iq.frames,0", "line 2: not topic,partition,offset"),
        ("iq.frames,x,1", "line 2: not topic,partition,offset"),
        ("iq.jobs,0,1", "line 2: topic iq.jobs, this stage reads iq.frames"),
        ("other,iq.frames,0,1", "line 2: group other, this stage's is g"),
        ("iq.frames,1,8", "line 2: partition 1 is listed twice"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, says):
    path = tmp_path / "offsets.csv"
    path.write_text(f"iq.frames,1,7\n{line}\n")
    with pytest.raises(UserError, match=says):
        read_offsets(path, group="g", topic="iq.frames")
