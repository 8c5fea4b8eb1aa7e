"""A sample has the same bytes on a CPU with few features."""

import json

import pytest

from tests.golden_digests import DIGESTS
from tests.plain_cpu import PLAIN_KERNELS, PLAIN_LIBRARIES, run_python


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param(PLAIN_LIBRARIES, id="libraries without AVX, AVX2, AVX-512, FMA"),
        pytest.param(PLAIN_KERNELS, id="kernels for any x86-64"),
    ],
)
def test_another_cpu_gives_the_same_bytes(environment):
    made = json.loads(run_python("-m", "tests.golden_digests", environment=environment))
    assert made["digests"] == json.loads(DIGESTS.read_text())["digests"]
