"""What `iqstream.dataset.torch` uses of PyTorch, over NumPy arrays: for tests that must run without PyTorch."""

import copy
import importlib
import sys
from collections import deque
from types import ModuleType, SimpleNamespace

import numpy as np

PREFETCHED = 2


class Worker:
    """Whose `get_worker_info` it is while a worker begins to iterate."""

    info = None


def install(monkeypatch):
    """Makes it importable as torch; the module of the stream over it."""
    torch, utils, data = ModuleType("torch"), ModuleType("torch.utils"), ModuleType("torch.utils.data")
    torch.bool, torch.from_dlpack, torch.utils, utils.data = np.bool_, lambda array: array, utils, data
    torch.Tensor, torch.stack, torch.tensor, torch.dtype = np.ndarray, np.stack, np.array, np.dtype
    torch.float16, torch.float32, torch.float64 = np.float16, np.float32, np.float64
    collating = ModuleType("torch.utils.data._utils.collate")
    collating.default_collate_fn_map = {}
    data.IterableDataset, data.get_worker_info = object, lambda: Worker.info
    for module in (torch, utils, data, collating):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    name = "iqstream.dataset.torch"
    monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module(name)
    del sys.modules[name]  # so that nobody has it afterwards
    monkeypatch.setitem(sys.modules, name, module)
    return module


class Loader:
    """As DataLoader: batches of forked workers in turn, each a few ahead; persistent ones keep what they were given."""

    def __init__(self, dataset, *, workers, persistent=False):
        self._dataset = dataset
        self._workers = workers
        self._persistent = persistent
        self._forked = None

    def __iter__(self):
        if not self._workers:
            yield from self._dataset
            return
        if not (self._forked and self._persistent):
            self._forked = [forked(self._dataset) for _ in range(self._workers)]
        begun = []
        for number, dataset in enumerate(self._forked):
            Worker.info = SimpleNamespace(id=number, num_workers=self._workers)
            begun.append((iter(dataset), deque()))
            Worker.info = None
        try:
            waiting = deque(begun)
            while waiting:
                for batches, ahead in waiting:
                    while len(ahead) < PREFETCHED and (batch := next(batches, None)) is not None:
                        ahead.append(batch)
                worker = waiting.popleft()
                if worker[1]:
                    yield worker[1].popleft()
                    waiting.append(worker)
        finally:
            for batches, _ in begun:
                batches.close()


def forked(dataset):
    """As a child process has it: nothing in common but the memory that is shared."""
    child = object.__new__(type(dataset))
    child.__dict__.update(
        {name: value if name == "_shared" else copy.deepcopy(value) for name, value in dataset.__dict__.items()}
    )
    return child
