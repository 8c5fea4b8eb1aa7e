"""Compiles the numerical kernels into their cache, so that the first frame of a worker does not wait for it.

Run as `python -m iqstream.warm` (`make setup` does).
"""

from pathlib import Path
from uuid import UUID

import numpy as np

import extractor
import producer
from extractor.extract import extract_features
from producer.synthesize import synthesize_sample
from producer.tiles import fill_heights
from producer.version import GENERATOR_VERSION
from schemas import Capture, DatasetSpec, Impairments, Scenario


def warm() -> None:
    """Makes one short sample of either kind of waveform and extracts it, with kernels freshly compiled.

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
        for frame in synthesize_sample(spec, 0).frames:
            extract_features(frame.samples(), frame.sample_rate_hz)
    posts = np.zeros((2, 2), np.uint16)
    posts.setflags(write=False)  # as a tile that is mapped from its file
    fill_heights(posts, 0, 0, np.zeros(1), np.zeros(1), np.zeros(1))


if __name__ == "__main__":
    warm()
