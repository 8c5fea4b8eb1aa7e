"""Files written table by table, in constant memory: Parquet, NumPy's npz, CSV.

A file appears under its name when it is whole. What the columns mean goes into it; for CSV beside it, as CSV on the Web
has it, into `{file}-metadata.json`.
"""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from iqstream.export.arrow import arrow, arrow_batch, arrow_schema
from iqstream.export.pairs import PAIR_COLUMNS, pairs_path
from iqstream.export.table import COLUMNS, FEATURE_COLUMNS, Column, Table
from iqstream.runtime.new_files import require_new


class Writer(ABC):
    """A file under construction; leaving the context by an exception leaves nothing behind."""

    def __init__(self, path: Path, metadata: Mapping[str, Any], columns: Sequence[Column] = COLUMNS) -> None:
        self.path = path
        self._metadata = metadata
        self._columns = columns
        self._whole = path.resolve() if path.is_symlink() else path  # the link stays, the file it leads to is written
        self._partial = self._whole.with_name(f".{self._whole.name}.partial")

    @classmethod  # noqa: B027  # most formats need nothing
    def require(cls) -> None:
        """Raises UserError, which says what to install, where the format's library is missing."""

    @classmethod
    def require_place(cls, path: Path, *, pairs: bool, force: bool) -> None:
        """Checks that all files can be written, with `pairs` those of time differences as well.

        Raises:
            UserError: one is there and not to be replaced, or is a directory, a device or a pipe.
        """
        require_new(path, force=force)  # before names beside it are made of its own: a directory's may be empty
        for taken in (*cls.files(path), card_path(path), *(cls.files(pairs_path(path)) if pairs else ())):
            require_new(taken, force=force)

    @classmethod
    def files(cls, path: Path) -> Sequence[Path]:
        """What is written of a table."""
        return (path,)

    def of_pairs(self) -> Writer:
        """The writer of the time differences that go with the rows; it is closed before this one."""
        return type(self)(pairs_path(self.path), self._metadata, PAIR_COLUMNS)

    def write_card(self, text: str) -> Path:
        """Writes what people read about the data; returns where: each file has a card of its own."""
        card = card_path(self.path)
        card.write_text(text, encoding="utf-8")
        return card

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, kind: object, *_details: object) -> None:
        try:
            self._close(whole=kind is None)
            if kind is None:
                self._partial.replace(self._whole)
        finally:
            self._discard()

    def _discard(self) -> None:
        """Removes what is not under its name yet."""
        self._partial.unlink(missing_ok=True)

    @abstractmethod
    def _open(self) -> None: ...

    @abstractmethod
    def write(self, table: Table) -> None:
        """Adds rows."""

    @abstractmethod
    def _close(self, *, whole: bool) -> None: ...


def card_path(path: Path) -> Path:
    """Returns the path of an exported file's card."""
    return path.with_name(f"{path.name}.md")


class ParquetWriter(Writer):
    """Columns compressed by zstd; units and roles with each field, the rest under the key `iqstream`."""

    @classmethod
    def require(cls) -> None:
        arrow()

    def _open(self) -> None:
        self._schema = arrow_schema(self._columns, self._metadata)
        self._file = arrow("pyarrow.parquet").ParquetWriter(self._partial, self._schema, compression="zstd")

    def write(self, table: Table) -> None:
        self._file.write_batch(arrow_batch(table, self._schema))

    def _close(self, *, whole: bool) -> None:  # noqa: ARG002  # a footer does no harm to what is thrown away
        self._file.close()


class NpzWriter(Writer):
    """An array per column, those of the features as one, `features` float64 (rows, values); `metadata` is JSON text.

    It holds the units under `units`.
    """

    def _open(self) -> None:
        self._folder = tempfile.TemporaryDirectory(dir=self.path.parent, prefix=f".{self.path.name}.")
        self._rows = 0
        plain = {column.name: np.dtype(column.dtype) for column in self._columns if column.name not in FEATURE_COLUMNS}
        self._shapes: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {
            name: (kind, ()) for name, kind in plain.items()
        }
        self._of_receivers = len(plain) < len(self._columns)
        if self._of_receivers:
            self._shapes |= {"features": (np.dtype("f8"), (len(FEATURE_COLUMNS),))}
        self._parts: dict[str, IO[bytes]] = {
            name: (Path(self._folder.name) / name).open("w+b") for name in self._shapes
        }

    def write(self, table: Table) -> None:
        arrays = dict(table)
        if self._of_receivers:
            arrays["features"] = np.stack([table[name] for name in FEATURE_COLUMNS], axis=1)
        for name, (dtype, _) in self._shapes.items():
            self._parts[name].write(np.ascontiguousarray(arrays[name], dtype).tobytes())
        self._rows += len(table["sample_idx"])

    def _close(self, *, whole: bool) -> None:
        try:
            if whole:
                self._assemble()
        finally:
            for part in self._parts.values():
                part.close()
            self._folder.cleanup()

    def _assemble(self) -> None:
        with zipfile.ZipFile(self._partial, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            for name, (dtype, rest) in self._shapes.items():
                part = self._parts[name]
                part.seek(0)
                header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array_header_2_0(entry, header | {"shape": (self._rows, *rest)})
                    shutil.copyfileobj(part, entry, 1024 * 1024)
            metadata = json.dumps({**self._metadata, "units": {column.name: column.unit for column in self._columns}})
            names = {"feature_names": list(FEATURE_COLUMNS)} if self._of_receivers else {}
            for name, text in {**names, "metadata": metadata}.items():
                with archive.open(f"{name}.npy", "w") as entry:
                    np.lib.format.write_array(entry, np.array(text), allow_pickle=False)


def description_path(path: Path) -> Path:
    """Returns the path of the file that describes a CSV file's columns."""
    return path.with_name(f"{path.name}-metadata.json")


class CsvWriter(Writer):
    """A header line, then one line per row; empty if there is no value."""

    @classmethod
    def files(cls, path: Path) -> Sequence[Path]:
        return path, description_path(path)

    def _open(self) -> None:
        self._file = self._partial.open("w", newline="", encoding="utf-8")
        self._rows = csv.writer(self._file)
        self._rows.writerow([column.name for column in self._columns])

    def write(self, table: Table) -> None:
        columns = [_cells(table[column.name]) for column in self._columns]
        self._rows.writerows(zip(*columns, strict=True))

    def _close(self, *, whole: bool) -> None:
        self._file.close()
        if whole:
            description = {
                "@context": "http://www.w3.org/ns/csvw",
                "url": self.path.name,
                "tableSchema": {"columns": [_described(column) for column in self._columns]},
                "iqstream": self._metadata,
            }
            description_path(self.path).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


WRITERS: Mapping[str, type[Writer]] = {"parquet": ParquetWriter, "npz": NpzWriter, "csv": CsvWriter}
"""Every format by its name, which is also the ending of its files."""


def _cells(values: np.ndarray[Any, Any]) -> Sequence[object]:
    cells: list[object] = values.tolist()
    return [None if cell != cell else cell for cell in cells] if values.dtype.kind == "f" else cells  # noqa: PLR0124  # NaN


def _described(column: Column) -> dict[str, str]:
    kind = {"f": "double", "i": "integer", "U": "string", "?": "boolean"}[column.dtype[0]]
    details = {"unit": column.unit, "role": column.role, "dc:description": column.meaning}
    return {"name": column.name, "datatype": kind} | {key: value for key, value in details.items() if value}
