"""Exports that a browser downloads: written by a task, kept for a while, bounded in size."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Literal

from starlette.responses import FileResponse, Response

from iqstream.catalogue.datasets import Dataset
from iqstream.client.asynchronous import AsyncClient
from iqstream.export.size import largest_bytes
from iqstream.runtime.errors import Conflict, NotFound
from iqstream.web.documents import Document, Version
from iqstream.web.operations import PREFIX, Asked, json_response
from iqstream.web.page import size
from iqstream.web.tasks import FileDocument, TaskDocument, Tasks, Tell

KEPT = 4
"""The latest exports; the files of older ones are deleted."""
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
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._kept: OrderedDict[int, Path] = OrderedDict()

    def room_bytes(self) -> int:
        """Returns how large an export may become here: half of what is free leaves room for others."""
        return min(MAX_BYTES, shutil.disk_usage(tempfile.gettempdir()).free // 2)

    async def begin(self, name_or_id: str, order: ExportOrder) -> TaskDocument:
        """Begins to write a dataset's rows.

        Raises:
            UserError, Unreachable: as `AsyncClient.versions`.
            Conflict: another task is under way, or there is no room.
        """
        found = (await self._client.versions(name_or_id, version=order.version)).dataset
        most, room = largest_bytes(found, include_rejected=order.include_rejected), self.room_bytes()
        if most > room:
            raise Conflict(
                f"the files may take {size(most)}, and here is room for {size(room)}: `{export_command(found, order)}` "
                "writes them where there is more"
            )

        async def work(tell: Tell) -> str:
            folder = self._next_folder()
            number = self._tasks.latest()[0].number
            self._kept[number] = folder
            done = await self._client.export(
                found.id,
                folder / f"dataset-{found.id[:8]}-v{found.version}.{order.format}",
                file_format=order.format,
                version=found.version,
                include_rejected=order.include_rejected,
                truth=order.truth,
                on_progress=lambda done, total: tell(done=done, samples=total),
            )
            tell(files=_files_in(folder))
            return f"{done.rows:,} rows of {done.accepted + done.rejected:,} samples"

        return self._tasks.begin(f"Export of {found.name} as {order.format}", work)

    def _next_folder(self) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="iqstream-exports-")
        while len(self._kept) >= KEPT:
            _, old = self._kept.popitem(last=False)
            shutil.rmtree(old, ignore_errors=True)
        return Path(tempfile.mkdtemp(dir=self._folder.name))

    def file(self, number: int, name: str) -> Path:
        """Returns a file of an export.

        Raises:
            NotFound: the task has none of this name, or it is deleted again.
        """
        known = {one.name for one in self._tasks.one(number).files}
        path = self._kept[number] / name if number in self._kept and name in known else None
        if path is None or not path.is_file():
            raise NotFound(f"task {number} has no file {name!r}: the files of the latest {KEPT} exports are kept")
        return path

    def close(self) -> None:
        """Deletes all files."""
        if self._folder is not None:
            self._folder.cleanup()


def _files_in(folder: Path) -> tuple[FileDocument, ...]:
    return tuple(FileDocument(name=one.name, size_bytes=one.stat().st_size) for one in sorted(folder.iterdir()))


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
    return FileResponse(path, media_type="application/octet-stream", filename=path.name, stat_result=stat)
