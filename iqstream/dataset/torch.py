"""The stream as a PyTorch dataset. Needs torch 1.13 or newer, which the extra `torch` brings."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from iqstream.dataset.batch import Batch
from iqstream.dataset.place import whole_number
from iqstream.dataset.shared import Shared
from iqstream.dataset.stream import FeatureStream
from iqstream.runtime.errors import UserError

try:
    import torch
    from torch.utils.data import IterableDataset, get_worker_info
    from torch.utils.data._utils.collate import default_collate_fn_map  # documented at `default_collate`
except ImportError as error:
    raise ImportError(
        f"iqstream.dataset.torch needs PyTorch 1.13 or newer, which cannot be imported ({error}): "
        "pip install 'iqstream[torch]', or on Debian apt install python3-torch; "
        "iqstream.dataset.FeatureStream gives the same as NumPy arrays"
    ) from error


IfThrough = Literal["next", "again", "nothing"]
"""What an iteration gives that finds nothing left of its epoch: the next epoch, the same again, or nothing."""


class TorchSample(NamedTuple):
    """A sample, as `DataLoader(dataset, batch_size=32)` makes batches of; see `Batch`."""

    x: dict[str, torch.Tensor]
    y: torch.Tensor
    meta: dict[str, Any]


class TorchBatch(NamedTuple):
    """A batch; see `Batch`. Texts of meta are lists, `progress` is how far its reader is with it."""

    x: dict[str, torch.Tensor]
    y: torch.Tensor
    meta: dict[str, Any]


class TorchFeatureStream(IterableDataset):  # type: ignore[type-arg, unused-ignore]  # old versions are not generic
    """`(x, y, meta)` with tensors for arrays; what need not change its type shares the arrays' memory (DLPack).

    A stream with a `batch_size` makes the batches itself: `DataLoader(dataset, batch_size=None, num_workers=n)`. One
    without gives samples: `DataLoader(dataset, batch_size=32, num_workers=n)`. A rank's share is
    shared out over its workers, which may be persistent. Workers read ahead of the training loop, so each batch carries
    in `meta["progress"]` how far its reader is with it: hand it to `advance` once the batch is trained on. Then
    `state_dict` of the dataset in the training process is what a checkpoint needs, and the next iteration goes on after
    what was trained on, or begins the next epoch where nothing is left. Without `advance` every iteration is a whole
    epoch, of the same order until `set_epoch` names another.

    A stream with an end fixes it when this is made, so that all workers see the same. torchdata's StatefulDataLoader
    keeps how far its batches were given out by itself: with it, its own `state_dict` is the checkpoint, not this one's.
    """

    def __init__(
        self, stream: FeatureStream, *, rank: int = 0, world_size: int = 1, dtype: torch.dtype = torch.float32
    ) -> None:
        """`stream` in its whole; `rank` of `world_size` training processes reads here.

        Args:
            stream: what is read.
            rank: of this process.
            world_size: training processes.
            dtype: of x and y: torch.float64 (as they are made), float32 or float16. IQ, which is complex64, becomes
                complex128 with float64. Float32 holds a coordinate to half a metre, float16 to some kilometres.

        Raises:
            UserError: there is no such rank, or no such dtype; else as `FeatureStream.snapshot`.
        """
        self._dtype = _numpy_type(dtype)
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

    def __iter__(self) -> TorchIteration:
        """In a worker its share, in the training process that of the rank."""
        worker = get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        told = self._shared.value  # a persistent worker's own attributes are of the time of its start
        stream = copy.copy(self._stream)
        stream.load_state_dict(told["state"])
        return TorchIteration(stream, number, workers, told["pass"], told["if_through"], self._dtype)

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


class TorchIteration:
    """One iteration of a dataset in one process: begins to read with its first item, and tells where it stands."""

    def __init__(
        self,
        stream: FeatureStream,
        number: int,
        workers: int,
        number_of_pass: int,
        if_through: IfThrough,
        dtype: type[np.floating[Any]],
    ) -> None:
        self._stream = stream
        self._reader = stream.for_worker(number, workers)
        self._workers = workers
        self._pass = number_of_pass
        self._if_through = if_through
        self._dtype = dtype
        self._items: Iterator[TorchSample | TorchBatch] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> TorchSample | TorchBatch:
        if self._items is None:
            self._items = self._read()
        return next(self._items)

    def close(self) -> None:
        """Ends the reading."""
        if self._items is not None:
            self._items.close()  # type: ignore[attr-defined]  # a generator

    def state_dict(self) -> dict[str, Any]:
        """How far this process has given items out; for a loader that keeps the states of its workers."""
        return self._reader.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on after what the process gave out that told this state, up to the end of its epoch.

        Raises:
            UserError: of several workers that share an even stream; else as `FeatureStream.load_state_dict`.
        """
        if self._workers > 1 and self._reader.even:
            raise UserError(
                "state: several workers that share an even stream cannot go on from states of their own: "
                "use num_workers=1, or the dataset's advance and state_dict"
            )
        self._reader.load_state_dict(state)
        self._if_through = "nothing"
        self._items = None

    def _read(self) -> Iterator[TorchSample | TorchBatch]:
        reader, stream = self._reader, self._stream
        nothing_left = True
        for batch, progress in reader.with_progress():
            nothing_left = False
            yield self._item(batch, progress | {"pass": self._pass})
        if (
            nothing_left
            and stream.bounded
            and self._if_through != "nothing"
            and not (self._workers > 1 and _anything_left(stream))
        ):
            reader.begin_epoch(stream.epoch + (self._if_through == "next"))
            for batch, progress in reader.with_progress():
                yield self._item(batch, progress | {"pass": self._pass + 1})

    def _item(self, batch: Batch, progress: Mapping[str, Any]) -> TorchSample | TorchBatch:
        kind = TorchSample if self._reader.batch_size is None else TorchBatch
        return kind(*as_tensors(batch, progress, self._dtype))


def _anything_left(stream: FeatureStream) -> bool:
    """Whether the stream has another sample, without moving it."""
    probe = copy.copy(stream)
    probe.batch_size = None
    with closing(iter(probe)) as samples:  # type: ignore[type-var]  # a generator, which can be closed
        return next(samples, None) is not None


def as_tensors(
    batch: Batch, progress: Mapping[str, Any], dtype: type[np.floating[Any]]
) -> tuple[dict[str, torch.Tensor], torch.Tensor, dict[str, Any]]:
    """A batch with tensors for its numeric arrays; texts become lists, the truth is left out.

    Raises:
        UserError: a number is too large for `dtype`.
    """
    x, y, meta = batch
    plain = {name: _tensor_or_list(values) for name, values in meta.items() if name != "truth"}
    return (
        {name: tensor(_cast(array, dtype)) for name, array in x.items()},
        tensor(_cast(y, dtype)),
        plain | {"progress": dict(progress)},
    )


def tensor(array: np.ndarray[Any, Any]) -> torch.Tensor:
    """A tensor over the array's memory, by DLPack: works with a torch that was built for another NumPy, too."""
    if array.dtype == np.bool_:  # booleans came late to DLPack: as bytes, then seen as booleans
        return torch.from_dlpack(array.view(np.uint8)).view(torch.bool)  # type: ignore[no-any-return, attr-defined, unused-ignore]
    return torch.from_dlpack(array)  # type: ignore[no-any-return, attr-defined, unused-ignore]


def _tensor_or_list(values: Any) -> Any:  # noqa: ANN401  # whatever stands in meta
    if not isinstance(values, np.ndarray):
        return values
    return values.tolist() if values.dtype.kind == "U" else tensor(values)


def _numpy_type(dtype: torch.dtype) -> type[np.floating[Any]]:
    known: dict[torch.dtype, type[np.floating[Any]]] = {
        torch.float16: np.float16,
        torch.float32: np.float32,
        torch.float64: np.float64,
    }
    if dtype not in known:
        raise UserError(f"dtype: {dtype} is none of torch.float16, torch.float32, torch.float64")
    return known[dtype]


def _cast(array: np.ndarray[Any, Any], dtype: type[np.floating[Any]]) -> np.ndarray[Any, Any]:
    """Floats in `dtype`, complex numbers in two of them (of two bytes there are none: in two of four); others as they
    are.
    """
    if array.dtype.kind == "c":
        return array.astype(np.complex128 if dtype is np.float64 else np.complex64, copy=False)
    if array.dtype.kind != "f":
        return array
    try:
        with np.errstate(over="raise"):
            return array.astype(dtype, copy=False)
    except FloatingPointError:
        raise UserError(
            f"dtype: {np.nanmax(np.abs(array)):g} is more than {np.dtype(dtype).name} holds; use dtype=torch.float64"
        ) from None


def _collate_samples(samples: Sequence[TorchSample], **_: Any) -> TorchBatch:  # noqa: ANN401
    """What the loader makes of samples: arrays stacked, texts in lists, the progress of the last."""
    first = samples[0]
    for name in first.x:
        shapes = {tuple(sample.x[name].shape) for sample in samples}
        if len(shapes) > 1:
            raise UserError(
                f"DataLoader: {name} of these samples has the shapes {sorted(shapes)}, which do not make one batch; "
                "let the stream make the batches, which pads them: FeatureStream(..., batch_size=32) and "
                "DataLoader(dataset, batch_size=None)"
            )
    meta = {name: _collated([sample.meta[name] for sample in samples]) for name in first.meta if name != "progress"}
    return TorchBatch(
        {name: torch.stack([sample.x[name] for sample in samples]) for name in first.x},
        torch.stack([sample.y for sample in samples]),
        meta | {"progress": samples[-1].meta["progress"]},
    )


def _collated(values: list[Any]) -> Any:  # noqa: ANN401  # whatever stands in meta
    one = values[0][0] if isinstance(values[0], list) and values[0] else values[0]
    if isinstance(one, float):
        return torch.tensor(values, dtype=torch.float64)
    return torch.tensor(values) if isinstance(one, bool | int) else values


def _refuse_batches(batches: Sequence[TorchBatch], **_: Any) -> None:  # noqa: ANN401
    """What the loader would make of batches: batches of batches."""
    size = len(batches[0].y)
    raise UserError(
        f"DataLoader: the stream makes the batches itself, this one of {size}: write DataLoader(dataset, "
        "batch_size=None), or give the stream no batch_size"
    )


default_collate_fn_map[TorchSample] = _collate_samples
default_collate_fn_map[TorchBatch] = _refuse_batches
