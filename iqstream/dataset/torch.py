"""The stream as a PyTorch dataset. Needs torch, which is no dependency of this project."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Literal

import numpy as np

from iqstream.dataset.batch import Batch
from iqstream.dataset.place import whole_number
from iqstream.dataset.shared import Shared
from iqstream.dataset.stream import FeatureStream
from iqstream.runtime.errors import UserError

try:
    import torch
    from torch.utils.data import IterableDataset, get_worker_info
except ImportError as error:
    raise ImportError(
        f"iqstream.dataset.torch needs PyTorch, which cannot be imported ({error}): pip install torch, or on Debian "
        "apt install python3-torch; iqstream.dataset.FeatureStream gives the same as NumPy arrays"
    ) from error


IfThrough = Literal["next", "again", "nothing"]
"""What an iteration gives that finds nothing left of its epoch: the next epoch, the same again, or nothing."""


class TorchFeatureStream(IterableDataset):  # type: ignore[type-arg, unused-ignore]  # old versions are not generic
    """`(x, y, meta)` with tensors for arrays; x, y and numbers of meta share the memory of the NumPy arrays (DLPack).

    Use `DataLoader(dataset, batch_size=None, num_workers=n)`: the stream makes the batches itself. A rank's share is
    shared out over its workers, which may be persistent. Workers read ahead of the training loop, so each batch carries
    in `meta["progress"]` how far its reader is with it: hand it to `advance` once the batch is trained on. Then
    `state_dict` of the dataset in the training process is what a checkpoint needs, and the next iteration goes on after
    what was trained on, or begins the next epoch where nothing is left. Without `advance` every iteration is a whole
    epoch, of the same order until `set_epoch` names another.

    A stream with an end fixes it when this is made, so that all workers see the same.
    """

    def __init__(self, stream: FeatureStream, *, rank: int = 0, world_size: int = 1) -> None:
        """`stream` in its whole; `rank` of `world_size` training processes reads here.

        Raises:
            UserError: there is no such rank; else as `FeatureStream.snapshot`.
        """
        self._stream = stream.sharded(rank, world_size)
        if stream.bounded and not stream.state_dict()["partitions"]:
            self._stream.snapshot()
        partitions = len(self._stream.state_dict()["partitions"])
        if stream.even is None and 0 < partitions < world_size:
            raise UserError(
                f"world_size: {world_size} ranks share {partitions} partitions of {stream.topic} out whole, so some "
                "would have nothing and the others wait for them; even='drop' or 'pad' of the stream shares samples out"
            )
        self._pass = 0
        """Counts what begins from other positions than where the iteration before ended."""
        self._advanced = False
        """Whether anything was trained on since `set_epoch` or `load_state_dict` said where to begin."""
        self._shared = Shared(None)
        self._tell("next")

    def __getstate__(self) -> dict[str, Any]:
        """For copies, of every kind: only a process that this one starts goes on hearing of it."""
        return {**self.__dict__, "_stream": copy.copy(self._stream), "_shared": copy.copy(self._shared)}

    def __iter__(self) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor, dict[str, Any]]]:
        """In a worker its share, in the training process that of the rank."""
        worker = get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        told = self._shared.value  # a persistent worker's own attributes are of the time of its start
        stream = copy.copy(self._stream)
        stream.load_state_dict(told["state"])
        return self._read(stream, number, workers, told["pass"], told["if_through"])

    def _read(
        self, stream: FeatureStream, number: int, workers: int, number_of_pass: int, if_through: IfThrough
    ) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor, dict[str, Any]]]:
        reader = stream.for_worker(number, workers)
        nothing_left = True
        for batch, progress in reader.with_progress():
            nothing_left = False
            yield as_tensors(batch, progress | {"pass": number_of_pass})
        if nothing_left and stream.bounded and if_through != "nothing" and not (workers > 1 and _anything_left(stream)):
            reader.begin_epoch(stream.epoch + (if_through == "next"))
            for batch, progress in reader.with_progress():
                yield as_tensors(batch, progress | {"pass": number_of_pass + 1})

    def advance(self, progress: Mapping[str, Any]) -> None:
        """Notes that a batch is done with; `meta["progress"]` of it.

        Raises:
            UserError: the batch was made before `set_epoch` or `load_state_dict` changed the position.
        """
        begun = progress.get("pass", -1) - self._pass
        if begun not in {0, 1}:
            raise UserError(
                "advance: the batch was read before set_epoch or load_state_dict changed the position; begin a new "
                "iteration of the loader after them"
            )
        if begun:
            self._stream.begin_epoch(progress["epoch"])
            self._pass += 1
        self._stream.advance(progress)
        self._advanced = True
        self._tell("next")

    def state_dict(self) -> dict[str, Any]:
        """How far batches were done with."""
        return self._stream.state_dict()

    def load_state_dict(self, *states: Mapping[str, Any]) -> None:
        """Goes on from the states of one or several ranks, however many workers read from now on."""
        self._stream.load_state_dict(*states)
        self._pass += 2  # no batch that is still under way is of it, nor of a pass that workers begin by themselves
        self._advanced = False
        self._tell("next")

    def set_epoch(self, epoch: int) -> None:
        """Names the epoch of the next iteration: call it before the loader is iterated.

        The epoch in which the dataset stands goes on after what was trained on, and begins again where all of it was
        trained on here; where a state was loaded that leaves nothing of it, nothing comes. Any other begins from its
        start.
        """
        if whole_number("epoch", epoch) != self._stream.epoch:
            self._stream.begin_epoch(epoch)
            self._pass += 2
            self._advanced = False
        self._tell("again" if self._advanced else "nothing")

    def _tell(self, if_through: IfThrough) -> None:
        """Tells the workers, those to come and those that persist, what their next iteration begins from."""
        self._shared.value = {"state": self.state_dict(), "pass": self._pass, "if_through": if_through}


def _anything_left(stream: FeatureStream) -> bool:
    """Whether the stream has another sample, without moving it."""
    probe = copy.copy(stream)
    probe.batch_size = None
    with closing(iter(probe)) as samples:  # type: ignore[type-var]  # a generator, which can be closed
        return next(samples, None) is not None


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
