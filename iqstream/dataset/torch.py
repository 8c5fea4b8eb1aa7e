"""The stream as a PyTorch dataset. Needs torch, which is no dependency of this project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from iqstream.dataset.batch import Batch
from iqstream.dataset.stream import FeatureStream

try:
    import torch
    from torch.utils.data import IterableDataset, get_worker_info
except ImportError as error:
    raise ImportError(
        f"iqstream.dataset.torch needs PyTorch, which cannot be imported ({error}): pip install torch, or on Debian "
        "apt install python3-torch; iqstream.dataset.FeatureStream gives the same as NumPy arrays"
    ) from error


class TorchFeatureStream(IterableDataset):  # type: ignore[type-arg, unused-ignore]  # old versions are not generic
    """`(x, y, meta)` with tensors for arrays; x, y and numbers of meta share the memory of the NumPy arrays (DLPack).

    Use `DataLoader(dataset, batch_size=None, num_workers=n)`: the stream makes the batches itself. The partitions are
    shared out over ranks x workers. Workers read ahead of the training loop and have states of their own, so each
    batch carries in `meta["progress"]` how far its reader is with it: hand it to `advance` once the batch is trained
    on, and `state_dict` of the dataset in the training process is what a checkpoint needs.

    A stream with an end fixes it when this is made, so that all workers see the same; call `set_epoch` before each
    epoch, as with a `DistributedSampler`.
    """

    def __init__(self, stream: FeatureStream, *, rank: int = 0, world_size: int = 1) -> None:
        """`stream` in its whole; `rank` of `world_size` training processes reads here."""
        self._stream = stream
        self._rank = rank
        self._world_size = world_size
        if stream.bounded and not stream.state_dict()["partitions"]:
            stream.snapshot()

    def __iter__(self) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor, dict[str, Any]]]:
        """In a worker its share, in the training process that of the rank."""
        worker = get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        reader = self._stream.sharded(self._rank * workers + number, self._world_size * workers)
        for batch, progress in reader.with_progress():
            yield as_tensors(batch, progress)

    def advance(self, progress: Mapping[str, Any]) -> None:
        """Notes that a batch is done with; `meta["progress"]` of it."""
        self._stream.advance(progress)

    def state_dict(self) -> dict[str, Any]:
        """How far batches were done with."""
        return self._stream.state_dict()

    def load_state_dict(self, *states: Mapping[str, Any]) -> None:
        """Goes on from the states of one or several ranks, however many workers read from now on."""
        self._stream.load_state_dict(*states)

    def set_epoch(self, epoch: int) -> None:
        """Begins an epoch: call it before the loader is iterated."""
        self._stream.set_epoch(epoch)


def as_tensors(
    batch: Batch, progress: Mapping[str, Any]
) -> tuple[dict[str, torch.Tensor], torch.Tensor, dict[str, Any]]:
    """A batch with tensors over the memory of its numeric arrays; texts become lists, the truth is left out."""
    x, y, meta = batch
    plain = {name: _tensor_or_list(values) for name, values in meta.items() if name != "truth"}
    return (
        {name: tensor(array) for name, array in x.items()},
        tensor(y),
        plain | {"progress": dict(progress)},
    )


def tensor(array: np.ndarray[Any, Any]) -> torch.Tensor:
    """A tensor over the array's memory, by DLPack: works with a torch that was built for another NumPy, too."""
    if array.dtype == np.bool_:  # booleans came late to DLPack: as bytes, then seen as booleans
        return torch.from_dlpack(array.view(np.uint8)).view(torch.bool)  # type: ignore[no-any-return, unused-ignore]
    return torch.from_dlpack(array)  # type: ignore[no-any-return, attr-defined, unused-ignore]


def _tensor_or_list(values: Any) -> Any:  # noqa: ANN401  # whatever stands in meta
    if not isinstance(values, np.ndarray):
        return values
    return values.tolist() if values.dtype.kind == "U" else tensor(values)
