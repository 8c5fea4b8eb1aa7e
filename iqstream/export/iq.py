"""Recordings as files: chosen samples of a dataset, as SigMF collections or as NumPy arrays, each with its truth."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.postgres import Pool
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.dataset.iq_source import IQSource
from iqstream.dataset.sample_iq import SampleIQ, sample_iq
from iqstream.export.npy import npy_files
from iqstream.export.sigmf import sigmf_files
from iqstream.runtime.disk import require_free
from iqstream.runtime.errors import UserError
from schemas import DatasetSpec

RESERVE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedIQ:
    """What was written."""

    folder: Path
    samples: int
    recordings: int
    synthesized: int
    """Recordings that had left Kafka and were made again."""
    size_bytes: int


class FilesOf(Protocol):
    """What makes a format's files of a sample."""

    def __call__(self, sample: SampleIQ, *, integers: bool) -> Iterable[tuple[str, bytes]]:
        """Names and contents, in the order in which they are to appear: what names a file comes after it."""


IQ_FORMATS: Mapping[str, FilesOf] = {"sigmf": sigmf_files, "npy": npy_files}


class IQFolder:
    """A folder that samples are written to, each of its files whole or not at all."""

    def __init__(self, folder: Path, file_format: str, *, integers: bool, force: bool) -> None:
        """Makes the folder.

        Args:
            folder: where the files go.
            file_format: one of IQ_FORMATS.
            integers: keep the integers of the wire and write their scale beside them; else complex floats in sqrt(mW).
            force: replace files that are there.

        Raises:
            UserError: it is there and holds something, and `force` was not said; or it is no folder.
        """
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is not a folder: choose another --output")
        if folder.exists() and any(folder.iterdir()) and not force:
            raise UserError(f"{folder} is not empty: choose another --output, or add --force")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._files_of = IQ_FORMATS[file_format]
        self._integers = integers
        self._samples = self._recordings = self._synthesized = self._size_bytes = 0

    def require_free(self, samples: int) -> None:
        """Raises UserError unless there is room for complex samples of 8 bytes, and for what is said of them."""
        require_free(self._folder, samples * 8 + RESERVE_BYTES)

    def write(self, sample: SampleIQ) -> None:
        """Adds a sample.

        Raises:
            OSError: a file cannot be written.
        """
        for name, content in self._files_of(sample, integers=self._integers):
            partial = self._folder / f".{name}.partial"
            try:
                partial.write_bytes(content)
                partial.replace(self._folder / name)
            finally:
                partial.unlink(missing_ok=True)
            self._size_bytes += len(content)
        self._samples += 1
        self._recordings += len(sample.frames)
        self._synthesized += len(sample.synthesized)

    @property
    def written(self) -> ExportedIQ:
        """What was written so far."""
        return ExportedIQ(
            folder=self._folder,
            samples=self._samples,
            recordings=self._recordings,
            synthesized=self._synthesized,
            size_bytes=self._size_bytes,
        )


async def export_iq(
    pool: Pool,
    source: IQSource,
    dataset: Dataset,
    samples: SampleRanges,
    folder: IQFolder,
    *,
    on_progress: Callable[[int, int], None],
) -> ExportedIQ:
    """Writes the recordings of samples; `on_progress(samples done, samples in all)`.

    Raises:
        UserError: there is no room for them, or the dataset has not one of them, or it failed.
        Failed: a recording can be had neither from Kafka nor by synthesis.
        OSError: a file cannot be written.
    """
    spec = dataset.spec
    if isinstance(spec, DatasetSpec):
        folder.require_free(len(samples) * len(spec.receivers) * spec.capture.samples)
    for done, sample_idx in enumerate(samples):
        on_progress(done, len(samples))
        found = await sample_iq(pool, source, dataset, sample_idx)
        if not isinstance(spec, DatasetSpec):  # recordings of any rate: known when they are there
            folder.require_free(sum(len(frame.iq) for frame in found.frames.values()))
        await asyncio.to_thread(folder.write, found)
    on_progress(len(samples), len(samples))
    return folder.written
