"""A dataset as a folder that the Hugging Face Hub takes: Parquet shards by split, and a Croissant description."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from iqstream.export.arrow import arrow, arrow_batch, arrow_schema
from iqstream.export.croissant import croissant_of
from iqstream.export.table import Table
from iqstream.export.writers import Writer
from iqstream.runtime.errors import UserError

ROWS_PER_SHARD = 200_000


class HuggingFaceWriter(Writer):
    """`data/SPLIT-00000-of-00001.parquet` and `croissant.json`; the card stands beside them as `README.md`."""

    @classmethod
    def require(cls) -> None:
        arrow()

    @classmethod
    def require_place(cls, path: Path, *, force: bool) -> None:  # noqa: ARG003  # a folder may hold more than ours
        if os.path.lexists(path):
            raise UserError(f"{path} exists: choose another --output; a folder is not replaced")

    def write_card(self, text: str) -> Path:
        card = self.path / "README.md"
        card.write_text(_front_matter(self._metadata, sorted(self._shards)) + text, encoding="utf-8")
        return card

    def _open(self) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)  # of an export that was killed
        self._data = self._partial / "data"
        self._data.mkdir(parents=True)
        self._schema = arrow_schema(self._columns, self._metadata)
        self._open_shards: dict[str, Any] = {}
        self._rows: dict[str, int] = {}
        self._shards: dict[str, list[Path]] = {}

    def write(self, table: Table) -> None:
        splits = table["split_random"]
        for split in np.unique(splits).tolist():
            here = splits == split
            if self._rows.get(split, ROWS_PER_SHARD) >= ROWS_PER_SHARD:
                self._next_shard(split)
            self._open_shards[split].write_batch(
                arrow_batch({name: values[here] for name, values in table.items()}, self._schema)
            )
            self._rows[split] += int(here.sum())

    def _next_shard(self, split: str) -> None:
        if split in self._open_shards:
            self._open_shards[split].close()
        shards = self._shards.setdefault(split, [])
        shards.append(self._data / f"{split}-{len(shards)}")
        self._open_shards[split] = arrow("pyarrow.parquet").ParquetWriter(shards[-1], self._schema, compression="zstd")
        self._rows[split] = 0

    def _close(self, *, whole: bool) -> None:
        for shard in self._open_shards.values():
            shard.close()
        if not whole:
            return
        digests: dict[str, str] = {}
        for split, shards in sorted(self._shards.items()):
            for number, shard in enumerate(shards):
                named = shard.rename(self._data / f"{split}-{number:05d}-of-{len(shards):05d}.parquet")
                with named.open("rb") as file:
                    digests[f"data/{named.name}"] = hashlib.file_digest(file, "sha256").hexdigest()
        text = json.dumps(croissant_of(self._metadata, self._columns, digests), indent=2)
        (self._partial / "croissant.json").write_text(text + "\n", encoding="utf-8")

    def _discard(self) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)


def _front_matter(metadata: Mapping[str, Any], splits: Iterable[str]) -> str:
    """The YAML head of a card: what `datasets.load_dataset` reads, and what the Hub shows."""
    lines = [
        "---",
        f"pretty_name: {json.dumps(metadata['name'])}",
        "license: unknown",
        "tags:\n- radio\n- localization",
        "configs:",
        "- config_name: default",
        "  data_files:",
        *[f"  - split: {split}\n    path: data/{split}-*.parquet" for split in splits],
        "---",
        "",
    ]
    return "\n".join(lines)
