"""A dataset as a folder that the Hugging Face Hub takes: Parquet shards by split, and a Croissant description."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iqstream.export.arrow import arrow, arrow_batch, arrow_schema
from iqstream.export.croissant import DescribedFile, croissant_of
from iqstream.export.pairs import PAIR_COLUMNS
from iqstream.export.table import Column, Table
from iqstream.export.writers import Writer
from iqstream.runtime.errors import UserError

ROWS_PER_SHARD = 200_000


class HuggingFaceWriter(Writer):
    """`data/SPLIT-00000-of-00001.parquet` and `croissant.json`; the card stands beside them as `README.md`.

    Time differences are a second configuration, `pairs/SPLIT-00000-of-00001.parquet`.
    """

    @classmethod
    def require(cls) -> None:
        arrow()

    @classmethod
    def require_place(cls, path: Path, *, pairs: bool, force: bool) -> None:  # noqa: ARG003  # it may hold more than ours
        if os.path.lexists(path):
            raise UserError(f"{path} exists: choose another --output; a folder is not replaced")

    def write_card(self, text: str) -> Path:
        card = self.path / "README.md"
        card.write_text(_front_matter(self._metadata, self._shards.splits, self._pair_splits) + text, encoding="utf-8")
        return card

    def of_pairs(self) -> Writer:
        return _PairShards(self)

    def take_pairs(self, splits: Sequence[str], files: Sequence[DescribedFile]) -> None:
        """Describes what was written of time differences."""
        self._pair_splits = splits
        self._pair_files = files

    @property
    def partial_folder(self) -> Path:
        """Where the files stand until all are whole."""
        return self._partial

    def _open(self) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)  # of an export that was killed
        self._shards = _Shards(self._partial, "data", self._columns, self._metadata)
        self.take_pairs((), ())

    def write(self, table: Table) -> None:
        self._shards.write(table)

    def _close(self, *, whole: bool) -> None:
        files = self._shards.close(whole=whole)
        if whole:
            text = json.dumps(croissant_of(self._metadata, (*files, *self._pair_files)), indent=2)
            (self._partial / "croissant.json").write_text(text + "\n", encoding="utf-8")

    def _discard(self) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)


class _PairShards(Writer):
    """The time differences within the folder of their rows."""

    def __init__(self, rows: HuggingFaceWriter) -> None:
        super().__init__(rows.path / "pairs", rows._metadata, PAIR_COLUMNS)  # noqa: SLF001  # the same file format
        self._rows = rows

    def __exit__(self, kind: object, *_details: object) -> None:
        self._close(whole=kind is None)  # the folder gets its name with the rows

    def _open(self) -> None:
        self._shards = _Shards(self._rows.partial_folder, "pairs", self._columns, self._metadata)

    def write(self, table: Table) -> None:
        self._shards.write(table)

    def _close(self, *, whole: bool) -> None:
        self._rows.take_pairs(self._shards.splits, self._shards.close(whole=whole))


class _Shards:
    """Parquet files by split, in a folder of the export."""

    def __init__(self, folder: Path, name: str, columns: Sequence[Column], metadata: Mapping[str, Any]) -> None:
        self._folder, self._name, self._columns = folder, name, columns
        (folder / name).mkdir(parents=True)
        self._schema = arrow_schema(columns, metadata)
        self._open: dict[str, Any] = {}
        self._rows: dict[str, int] = {}
        self._shards: dict[str, list[Path]] = {}

    @property
    def splits(self) -> Sequence[str]:
        """Those that have rows."""
        return sorted(self._shards)

    def write(self, table: Table) -> None:
        splits = table["split_random"]
        for split in np.unique(splits).tolist():
            here = splits == split
            if self._rows.get(split, ROWS_PER_SHARD) >= ROWS_PER_SHARD:
                self._next_shard(split)
            self._open[split].write_batch(
                arrow_batch({name: values[here] for name, values in table.items()}, self._schema)
            )
            self._rows[split] += int(here.sum())

    def close(self, *, whole: bool) -> Sequence[DescribedFile]:
        """Numbers the files, where all are whole; returns them."""
        for shard in self._open.values():
            shard.close()
        files: list[DescribedFile] = []
        for split, shards in sorted(self._shards.items()) if whole else ():
            for number, shard in enumerate(shards):
                named = shard.rename(shard.with_name(f"{split}-{number:05d}-of-{len(shards):05d}.parquet"))
                with named.open("rb") as file:
                    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                files.append(DescribedFile(path=f"{self._name}/{named.name}", sha256=sha256, columns=self._columns))
        return files

    def _next_shard(self, split: str) -> None:
        if split in self._open:
            self._open[split].close()
        shards = self._shards.setdefault(split, [])
        shards.append(self._folder / self._name / f"{split}-{len(shards)}")
        self._open[split] = arrow("pyarrow.parquet").ParquetWriter(shards[-1], self._schema, compression="zstd")
        self._rows[split] = 0


def _front_matter(metadata: Mapping[str, Any], splits: Sequence[str], pair_splits: Sequence[str]) -> str:
    """The YAML head of a card: what `datasets.load_dataset` reads, and what the Hub shows."""
    lines = [
        "---",
        f"pretty_name: {json.dumps(metadata['name'])}",
        "license: unknown",
        "tags:\n- radio\n- localization",
        "configs:",
        *_config("default", "data", splits),
        *(_config("pairs", "pairs", pair_splits) if pair_splits else ()),
        "---",
        "",
    ]
    return "\n".join(lines)


def _config(name: str, folder: str, splits: Iterable[str]) -> list[str]:
    files = [f"  - split: {split}\n    path: {folder}/{split}-*.parquet" for split in splits]
    return [f"- config_name: {name}", "  data_files:", *files]
