"""Free space is checked before a start; what files take is told in blocks."""

import os
from pathlib import Path

import pytest

from iqstream.runtime.disk import require_free, used_bytes
from iqstream.runtime.errors import UserError


def test_too_little_space_names_both_figures(tmp_path: Path) -> None:
    require_free(tmp_path, 1)
    with pytest.raises(UserError, match=r"1048576\.0 GiB are needed"):
        require_free(tmp_path, 2**50)


def test_used_bytes_count_blocks_and_not_holes(tmp_path: Path) -> None:
    assert used_bytes(tmp_path / "none") == 0
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(2**30)
    (tmp_path / "full").write_bytes(os.urandom(2**20))
    assert 2**20 <= used_bytes(tmp_path) < 2**21
