"""Whatever spec can be made: its samples are finite and can be published, or they are refused with a reason."""

import msgspec
import numpy as np
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from producer.synthesize import synthesize_sample
from producer.version import GENERATOR_VERSION
from schemas import Capture, DatasetSpec, IQFrame, Terrain, decode, encode
from schemas.dataset import MAX_SAMPLES
from tests.producer_specs import SHORT
from tests.strategies import SEEDED, dataset_specs

pytestmark = pytest.mark.thorough

REFUSALS = ("capture.sample_rate_hz:", "receiver ", "scenario.transmitters_at_sea:")
"""Each begins with what is to be changed."""


def short(spec: DatasetSpec, sample_rate_hz: float, capture_ms: int) -> DatasetSpec:
    """The spec for this generator, with short recordings and without tiles, which are files."""
    terrain = spec.terrain if spec.terrain.source != "tiles" else Terrain(source="none")
    capture = Capture(sample_rate_hz=sample_rate_hz, capture_ms=capture_ms, chunk_ms=max(1, capture_ms // 2))
    return msgspec.structs.replace(spec, generator_version=GENERATOR_VERSION, terrain=terrain, capture=capture)


@pytest.mark.filterwarnings("error")
@settings(SEEDED, max_examples=50)
@given(dataset_specs(), st.floats(100e3, 2e6), st.integers(1, 5), st.integers(0, MAX_SAMPLES - 1))
def test_what_can_be_made_is_finite_on_the_wire_or_refused(spec, sample_rate_hz, capture_ms, sample_idx):
    spec = short(spec, sample_rate_hz, capture_ms)
    try:
        frames = synthesize_sample(spec, sample_idx).frames
    except ValueError as error:
        refusal, frames = str(error), ()
        event(refusal.split(maxsplit=1)[0])
    else:
        refusal = ""
    assert refusal.startswith(REFUSALS if refusal else "")
    assert all(np.isfinite(decode(encode(frame), IQFrame).samples()).all() for frame in frames)


@SEEDED
@given(dataset_specs(), st.integers(0, MAX_SAMPLES - 1))
def test_specs_within_everyday_link_budgets_are_never_refused(spec, sample_idx):
    everyday = msgspec.structs.replace(
        short(spec, 200e3, 2), scenario=SHORT.scenario, propagation=SHORT.propagation, frequency_hz=SHORT.frequency_hz
    )
    assume(all(receiver.antenna_height_m > 1e-3 for receiver in spec.receivers))
    everyday = msgspec.structs.replace(
        everyday, scenario=msgspec.structs.replace(SHORT.scenario, transmitters_at_sea=True)
    )
    assert len(synthesize_sample(everyday, sample_idx).frames) == len(spec.receivers)
