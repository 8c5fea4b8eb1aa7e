"""One receiver's recording as one file in memory: an array, or a SigMF archive. Pure."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace

import numpy as np

from iqstream.dataset.sample_iq import SampleIQ
from iqstream.export.sigmf import sigmf_files
from schemas import IQFrame


def npy_file(frame: IQFrame) -> bytes:
    """Returns a recording as `.npy`: complex64, shape (n,), in sqrt(mW)."""
    buffer = io.BytesIO()
    np.save(buffer, frame.samples().astype("<c8"), allow_pickle=False)
    return buffer.getvalue()


def sigmf_archive(sample: SampleIQ, rx_id: str) -> bytes:
    """Returns a receiver's recording, or a part of one, as a SigMF archive: both files in a folder of their name."""
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
