"""The recordings of samples: as arrays, as files, and in pictures; and the picture of a whole dataset."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from iqstream.catalogue.datasets import find_dataset
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.client.calls import Calls
from iqstream.dataset.iq_source import open_iq_source
from iqstream.dataset.sample_iq import SampleIQ, sample_iq
from iqstream.runtime.errors import Failed, UserError
from iqstream.runtime.new_files import require_new

if TYPE_CHECKING:
    from iqstream.export.iq import ExportedIQ


class RecordingCalls(Calls):
    """`iq`, `export_iq`, `plot`, `plot_iq`."""

    async def iq(self, name_or_id: str, sample_idx: int, *, version: int | None = None) -> SampleIQ:
        """Returns the recordings of a sample: out of Kafka, or synthesised again and proved to be the same.

        Args:
            name_or_id: which dataset.
            sample_idx: which sample, accepted or rejected.
            version: of the dataset; if not given, the newest that is whole.

        Raises:
            UserError: there is no such dataset or sample, or it has no recordings.
            Failed: a recording has expired and cannot be made again.
            Unreachable: a server does not answer.
        """
        async with self._postgres() as pool, open_iq_source(self.settings) as source:
            found = await find_dataset(pool, name_or_id, version=version, tell=self._tell)
            return await sample_iq(pool, source, found, sample_idx)

    async def export_iq(
        self,
        name_or_id: str,
        samples: SampleRanges | str,
        folder: Path | str | None = None,
        *,
        file_format: str = "sigmf",
        integers: bool = False,
        version: int | None = None,
        force: bool = False,
        on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> ExportedIQ:
        """Writes the recordings of samples to a folder: SigMF collections or NumPy arrays, the truth with them.

        Args:
            name_or_id: which dataset.
            samples: which samples, as `"0-9,17"`.
            folder: where the files go; if not given, `iq-ID` here.
            file_format: `sigmf` or `npy`.
            integers: keep the integers of the wire and write their scale; else complex floats in sqrt(mW).
            version: of the dataset; if not given, the newest that is whole.
            force: use a folder that is not empty, and replace what is there under the same names.
            on_progress: is given the samples done and all.

        Raises:
            UserError: there is no such dataset or sample, the folder is not empty, or the disk has no room.
            Failed: a recording has expired and cannot be made again, or a file cannot be written.
            Unreachable: a server does not answer.
        """
        from iqstream.export.iq import IQ_FORMATS, IQFolder, export_iq

        if file_format not in IQ_FORMATS:
            raise UserError(f"file_format: {file_format!r} is none of {', '.join(IQ_FORMATS)}")
        try:
            chosen = SampleRanges.parse(samples) if isinstance(samples, str) else samples
        except ValueError as error:
            raise UserError(f"samples: {error}") from None
        try:
            async with self._postgres() as pool, open_iq_source(self.settings) as source:
                found = await find_dataset(pool, name_or_id, version=version, tell=self._tell)
                place = Path(folder or f"iq-{found.id}")
                target = IQFolder(place, file_format, integers=integers, force=force)
                return await export_iq(pool, source, found, chosen, target, on_progress=on_progress)
        except OSError as error:
            raise Failed(f"the export cannot be written: {error}") from None

    async def plot(
        self, name_or_id: str, path: Path | str | None = None, *, version: int | None = None, force: bool = False
    ) -> Path:
        """Draws a dataset on one page, a PNG: the map with links, a recording, errors against truth.

        Args:
            name_or_id: which dataset.
            path: of the file; if not given, `dataset-ID.png` here.
            version: of the dataset; if not given, the newest that is whole.
            force: replace a file that is there.

        Returns:
            The file.

        Raises:
            UserError: there is no such dataset, or the file is there.
            Failed: the file cannot be written.
            Unreachable: a server does not answer.
        """
        from iqstream.plot.page import read_page  # brings matplotlib
        from iqstream.plot.picture import save_picture

        async with self._postgres() as pool:
            found = await find_dataset(pool, name_or_id, version=version, tell=self._tell)
        place = Path(path or f"dataset-{found.id}.png")
        require_new(place, force=force)
        page = await read_page(self.settings, found)
        try:
            await asyncio.to_thread(save_picture, page, place)
        except OSError as error:
            raise Failed(f"the picture cannot be written: {error}") from None
        return place

    async def plot_iq(
        self,
        name_or_id: str,
        sample_idx: int,
        path: Path | str | None = None,
        *,
        version: int | None = None,
        force: bool = False,
    ) -> Path:
        """Draws the recordings of a sample, a PNG: waveform and spectrogram per receiver.

        Args:
            name_or_id: which dataset.
            sample_idx: which sample.
            path: of the file; if not given, `iq-ID-SAMPLE.png` here.
            version: of the dataset; if not given, the newest that is whole.
            force: replace a file that is there.

        Returns:
            The file.

        Raises:
            UserError: as `iq`, or the file is there.
            Failed: as `iq`, or the file cannot be written.
            Unreachable: a server does not answer.
        """
        from iqstream.plot.recordings_picture import recordings_page, save_recordings_picture  # brings matplotlib

        found = await self.iq(name_or_id, sample_idx, version=version)
        place = Path(path or f"iq-{found.dataset.id}-{sample_idx}.png")
        require_new(place, force=force)
        try:
            await asyncio.to_thread(save_recordings_picture, recordings_page(found), place)
        except OSError as error:
            raise Failed(f"the picture cannot be written: {error}") from None
        return place
