"""An export leaves the event loop to others: its files are written and closed in threads."""

import threading
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from iqstream.export import run
from iqstream.export.rows import ExportedTables
from iqstream.export.selection import Selection
from tests.unit.export.test_export import dataset


class Connection:
    @asynccontextmanager
    async def _within(self, **_):
        yield self

    transaction = acquire = _within


class Recorder:
    """A writer that notes on which thread it is called."""

    def __init__(self, path, *_):
        self.path, self.threads, self.ended = path, {}, None
        made.append(self)

    def _note(self, name):
        self.threads[name] = threading.current_thread()

    def __enter__(self):
        self._note("open")
        return self

    def __exit__(self, kind, *_):
        self._note("close")
        self.ended = kind

    def write(self, _):
        self._note("write")

    def write_card(self, _):
        self._note("card")
        return Path("card")


made = []


@pytest.fixture
def export(monkeypatch):
    async def nothing(*_):
        return ()

    async def selection(*_):
        return Selection(centre=(45.0, 8.0), samples=np.array([1]), accepted=np.array([1]))

    async def tables(*_, **__):
        yield ExportedTables(1, {"sample_idx": np.arange(1)}, None)

    class NoTally(run.Tally):
        def add(self, _):
            return None

    made.clear()
    for name, value in {
        "selection_of": selection, "outcome_counts_by_reason": nothing, "export_tables": tables, "Tally": NoTally,
        "FORMATS": {"npz": Recorder}, "dataset_card": lambda *_, **__: "",
    }.items():  # fmt: skip
        monkeypatch.setattr(run, name, value)

    async def begin(on_progress):
        await run.export_dataset(
            Connection(), dataset(), Path("rows.npz"), "npz", include_rejected=False, draw_truth=None,
            on_progress=on_progress,
        )  # fmt: skip

    return begin


async def test_files_are_opened_written_and_closed_beside_the_event_loop(export):
    await export(lambda _done, _total: None)
    [writer] = made
    assert writer.threads.keys() == {"open", "write", "close", "card"}
    assert threading.current_thread() not in writer.threads.values()
    assert writer.ended is None


async def test_an_export_that_fails_closes_its_files_as_failed(export):
    def stop(done, _total):
        if done:
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        await export(stop)
    assert made[0].ended is OSError
