"""Exports that a browser downloads: written by a task, kept for a while, bounded in size."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Literal

from starlette.responses import FileResponse, Response

from iqstream.catalogue.datasets import Dataset
from iqstream.client.asynchronous import AsyncClient
from iqstream.export.formats import FORMATS
from iqstream.export.size import largest_bytes
from iqstream.runtime.errors import Conflict, NotFound
from iqstream.web.documents import Document, Version
from iqstream.web.operations import PREFIX, Asked, json_response
from iqstream.web.page import size
from iqstream.web.tasks import FileDocument, TaskDocument, Tasks, Tell

KEPT = 4
"""The latest exports; the files of older ones are deleted."""
PREFIX_OF_FOLDER = "iqstream-exports-"
MAX_BYTES = 2 * 10**9
"""Of one export at most."""


class ExportOrder(Document, frozen=True, kw_only=True):
    """What to write to files."""

    format: Literal["parquet", "npz", "csv"] = "parquet"
    version: Version | None = None
    """If not given, the newest that is whole."""
    include_rejected: bool = False
    """Rejected samples too: their figures, not the features."""
    truth: bool = False
    """What the generator put in, too."""


class Exports:
    """The files of the latest exports, in a folder that goes with the server."""

    def __init__(self, client: AsyncClient, tasks: Tasks) -> None:
        self._client = client
        self._tasks = tasks
        self._folder: Path | None = None
        self._lock: int | None = None
        """Held on the folder as long as this server runs."""
        self._kept: OrderedDict[int, Path] = OrderedDict()

    def clean_up(self) -> None:
        """Deletes what servers left behind that were killed: nobody holds the lock of their folders."""
        for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX_OF_FOLDER}*"):
            try:
                lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            except OSError:  # another user's, or none of ours
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            except BlockingIOError:
                pass
            finally:
                os.close(lock)

    def room_bytes(self) -> int:
        """Returns how large an export may become here: half of what is free leaves room for others."""
        return min(MAX_BYTES, shutil.disk_usage(tempfile.gettempdir()).free // 2)

    async def begin(self, name_or_id: str, order: ExportOrder) -> TaskDocument:
        """Begins to write a dataset's rows.

        Raises:
            UserError: the format's library is missing.
            UserError, Unreachable: as `AsyncClient.versions`.
            Conflict: another task is under way, or there is no room.
        """
        await asyncio.to_thread(FORMATS[order.format].require)
        found = (await self._client.versions(name_or_id, version=order.version)).dataset
        most = largest_bytes(found, order.format, include_rejected=order.include_rejected, truth=order.truth)
        room = self.room_bytes()
        if most > room:
            raise Conflict(
                f"the files may take {size(most)}, and here is room for {size(room)}: `{export_command(found, order)}` "
                "writes them where there is more"
            )

        async def work(tell: Tell) -> str:
            folder = self._new_folder()
            try:
                done = await self._client.export(
                    found.id,
                    folder / f"dataset-{found.id[:8]}-v{found.version}.{order.format}",
                    file_format=order.format,
                    version=found.version,
                    include_rejected=order.include_rejected,
                    truth=order.truth,
                    on_progress=lambda done, total: tell(done=done, samples=total),
                )
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            self._keep(self._tasks.latest()[0].number, folder)
            tell(files=_files_in(folder))
            return f"{done.rows:,} rows of {done.accepted + done.rejected:,} samples"

        return self._tasks.begin(f"Export of {found.name} as {order.format}", work)

    def _new_folder(self) -> Path:
        if self._folder is None or not self._folder.is_dir():  # what cleans temporary files up may have taken it
            self._let_go()
            self._folder = Path(tempfile.mkdtemp(prefix=PREFIX_OF_FOLDER))
            self._lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        return Path(tempfile.mkdtemp(dir=self._folder))

    def _keep(self, number: int, folder: Path) -> None:
        """Keeps the files of an export that is whole, and deletes those of the oldest."""
        self._kept[number] = folder
        while len(self._kept) > KEPT:
            old, files = self._kept.popitem(last=False)
            shutil.rmtree(files, ignore_errors=True)
            self._tasks.forget_files(old)

    def file(self, number: int, name: str) -> Path:
        """Returns a file of an export.

        Raises:
            NotFound: the task has none of this name, or it is deleted again.
        """
        folder = self._kept.get(number)
        path = next((one for one in _files(folder) if one.name == name), None) if folder is not None else None
        if path is None:
            raise NotFound(f"task {number} has no file {name!r}: the files of the latest {KEPT} exports are kept")
        return path

    def close(self) -> None:
        """Deletes all files."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._let_go()

    def _let_go(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _files_in(folder: Path) -> tuple[FileDocument, ...]:
    return tuple(FileDocument(name=one.name, size_bytes=one.stat().st_size) for one in _files(folder))


def _files(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.is_file()) if folder.is_dir() else []


def export_command(dataset: Dataset, order: ExportOrder) -> str:
    """Returns the command that writes the same."""
    options = [
        f" --version {dataset.version}",
        " --include-rejected" if order.include_rejected else "",
        " --truth" if order.truth else "",
    ]
    return f"iqstream datasets export {dataset.id} --format {order.format}{''.join(options)}"


async def begin_export(asked: Asked) -> Response:
    exports: Exports = asked.state.exports
    task = await exports.begin(asked.dataset, asked.body)
    response = json_response(task, status=202)
    response.headers["location"] = f"{PREFIX}/tasks/{task.number}"
    return response


async def download_file(asked: Asked) -> Response:
    exports: Exports = asked.state.exports
    path = exports.file(int(asked.request.path_params["number"]), asked.request.path_params["file"])
    stat = await asyncio.to_thread(path.stat)
    return FileResponse(
        path,
        media_type="application/octet-stream",
        filename=path.name,
        stat_result=stat,
        headers={"cache-control": "no-store"},
    )
