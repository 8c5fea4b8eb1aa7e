"""A sample has the same bytes everywhere: those of the committed digests. On other CPUs: `tests/fidelity`."""

import json
from typing import get_args

import pytest

from producer.synthesize import synthesize_sample
from producer.version import GENERATOR_VERSION
from schemas.dataset import Modulation
from tests.golden_digests import DIGESTS, GOLDEN_INDICES, GOLDEN_SPECS, all_digests


@pytest.fixture(scope="module")
def digests():
    return all_digests()


def test_samples_have_the_committed_digests(digests):
    """20 (spec, index). To renew: raise GENERATOR_VERSION, then `python -m tests.golden_digests --write`."""
    golden = json.loads(DIGESTS.read_text())
    assert golden["generator_version"] == GENERATOR_VERSION
    assert digests == golden["digests"]


def test_the_golden_samples_hold_everything_that_there_is():
    frames = [
        frame
        for spec in GOLDEN_SPECS.values()
        for index in GOLDEN_INDICES
        for frame in synthesize_sample(spec, index).frames
    ]
    assert len(GOLDEN_SPECS) * len(GOLDEN_INDICES) == 26
    assert {frame.datatype for frame in frames} == {"ci8", "ci16_le", "cf32_le"}
    sent = {frame.truth.transmitter.modulation for frame in frames}
    assert sent == set(get_args(Modulation))
    assert {frame.truth.transmitter.sideband for frame in frames} == {None, "upper", "lower"}
    impaired = [frame.truth.receiver for frame in frames if frame.truth.receiver]
    assert {spec.clocks.kind for spec in GOLDEN_SPECS.values()} == {"ideal", "gnss", "free"}
    assert any(
        r.phase_noise_linewidth_hz and r.image_rejection_db and r.dc_offset_dbm and r.clipped_share for r in impaired
    )
