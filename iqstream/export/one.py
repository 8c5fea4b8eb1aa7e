"""One receiver's recording as one file in memory: a part of it as an array, or all of it as a SigMF archive. Pure."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace

import numpy as np

from iqstream.dataset.sample_iq import SampleIQ
from iqstream.export.sigmf import sigmf_files
from schemas import IQFrame


def npy_part(frame: IQFrame, *, start_ms: float, stop_ms: float | None) -> bytes:
    """Returns a part of a recording as `.npy`: complex64, shape (n,), in sqrt(mW).

    Raises:
        ValueError: the part holds no sample.
    """
    samples = frame.samples()
    first = round(start_ms * frame.sample_rate_hz / 1000)
    stop = len(samples) if stop_ms is None else round(stop_ms * frame.sample_rate_hz / 1000)
    part = samples[first:stop]
    if not len(part):
        raise ValueError(f"start_ms, stop_ms: no sample of the {len(samples)} lies there")
    buffer = io.BytesIO()
    np.save(buffer, part.astype("<c8"), allow_pickle=False)
    return buffer.getvalue()


def sigmf_archive(sample: SampleIQ, rx_id: str) -> bytes:
    """Returns a receiver's recording as a SigMF archive: samples and metadata in a folder of their name."""
    alone = replace(sample, frames={rx_id: sample.frames[rx_id]})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in sigmf_files(alone, integers=False):
            stem, _, ending = name.rpartition(".")
            if ending == "sigmf-collection":  # it names recordings that are not in this file
                continue
            member = tarfile.TarInfo(f"{stem}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
