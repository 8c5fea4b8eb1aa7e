"""Compiles the numerical kernels into their cache, so that the first frame of a worker does not wait for it.

Run as `python -m iqstream.warm` (`make setup` does).
"""

from pathlib import Path
from uuid import UUID

import msgspec
import numpy as np

import extractor
import producer
from extractor.extract import extract_features
from extractor.pairs import measure_pairs
from producer.synthesize import synthesize_sample
from producer.tiles import fill_heights
from producer.version import GENERATOR_VERSION
from schemas import Capture, DatasetSpec, Impairments, IQFrame, Scenario
from schemas.iq_frame import component_dtype


def warm() -> None:
    """Makes one short sample of either kind of waveform, extracts it and measures pairs, with kernels compiled anew.

    A compiled kernel does not notice a change of a function in another file that it calls: the cache goes first.
    """
    for package in (producer, extractor):
        for compiled in Path(package.__path__[0]).rglob("__pycache__/*.nb[ci]"):
            compiled.unlink()
    for scenario, impairments in (
        (Scenario(modulation="nbfm"), Impairments()),
        (Scenario(modulation="ssb"), Impairments(phase_noise_linewidth_hz=1.0)),
    ):
        spec = DatasetSpec(
            dataset_id=str(UUID(int=0)),
            name="warm",
            samples=1,
            generator_version=GENERATOR_VERSION,
            capture=Capture(capture_ms=200),
            scenario=scenario,
            impairments=impairments,
        )
        frames = synthesize_sample(spec, 0).frames
        for frame in frames:
            extract_features(frame.samples(), frame.sample_rate_hz)
    for datatype in ("ci8", "ci16_le", "cf32_le"):
        one, other = (_loud(frame, datatype) for frame in frames[:2])
        measure_pairs([one, other])
    measure_pairs([one, msgspec.structs.replace(other, sample_rate_hz=1.001 * other.sample_rate_hz)])  # as recordings
    posts = np.zeros((2, 2), np.uint16)
    posts.setflags(write=False)  # as a tile that is mapped from its file
    fill_heights(posts, 0, 0, np.zeros(1), np.zeros(1), np.zeros(1))


def _loud(frame: IQFrame, datatype: str) -> IQFrame:
    """The frame with a signal that every receiver hears, whatever the scenario: what is not found compiles nothing."""
    seconds = np.arange(frame.samples().size) / frame.sample_rate_hz
    voice = np.random.default_rng(0).normal(0.0, 1.0, seconds.size) + 90.0 * np.exp(5j * np.sin(1900.0 * seconds))
    components = voice.view(np.float64).astype(component_dtype(datatype))
    return msgspec.structs.replace(frame, datatype=datatype, scale=1.0, iq=memoryview(components.tobytes()))


if __name__ == "__main__":
    warm()
