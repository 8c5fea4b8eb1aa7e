"""Real torch over the stream, in a process that can import it: DataLoader workers, a stop, another number of them."""

import json
import sys

options = json.loads(sys.argv[1])
sys.path.append(options["site_packages"])  # after our own: NumPy and everything else stay ours

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from iqstream.dataset import FeatureStream  # noqa: E402
from iqstream.dataset.torch import TorchFeatureStream, as_tensors, tensor  # noqa: E402
from iqstream.runtime.errors import UserError  # noqa: E402
from schemas.feature_record import FEATURE_VALUES  # noqa: E402
from tests.integration.feature_topics import LIMITS  # noqa: E402


def dataset():
    return TorchFeatureStream(
        FeatureStream(topic=options["topic"], limits=LIMITS, batch_size=4, shuffle=True, seed=3, window=48)
    )


def read(stream, loader, batches=None):
    samples = []
    for number, (x, y, meta) in enumerate(loader, start=1):
        assert x["features"].shape == (len(y), 3, FEATURE_VALUES)
        assert x["features"].dtype == torch.float32
        assert x["detected"].dtype == torch.bool
        samples += meta["sample_idx"].tolist()
        stream.advance(meta["progress"])
        if number == batches:
            break
    return samples


def loader(stream, workers, **options):
    return DataLoader(stream, batch_size=None, num_workers=workers, **options)


def epochs():
    """Three of the documented loop, whatever starts the workers and however long they stay."""
    counts = []
    for workers, options in (
        (2, {}),
        (2, {"persistent_workers": True}),
        (1, {"persistent_workers": True, "multiprocessing_context": "spawn"}),
    ):
        stream = dataset()
        batches = loader(stream, workers, **options)
        counts.append([len(set(read(stream, batches))) for _ in range(3)])
    return counts


def shares_memory():
    """Whether tensors are views of the arrays, and not copies."""
    batch = next(iter(FeatureStream(topic=options["topic"], limits=LIMITS, batch_size=2)))
    x, y, _ = as_tensors(batch, {}, np.float64)
    pairs = [(x[name], batch.x[name]) for name in batch.x] + [(y, batch.y), (tensor(batch.y), batch.y)]
    return all(one.data_ptr() == array.ctypes.data for one, array in pairs)


def loaders_batches():
    """DataLoader(batch_size=32) over samples: shapes, types, every sample once, and where a stop goes on."""
    stream = FeatureStream(topic=options["topic"], limits=LIMITS, shuffle=True, seed=3, window=48)
    samples = TorchFeatureStream(stream)
    seen = []
    for number, (x, y, meta) in enumerate(DataLoader(samples, batch_size=32, num_workers=2), start=1):
        assert (x["features"].dtype, x["present"].dtype, y.dtype) == (torch.float32, torch.bool, torch.float32)
        assert x["features"].shape == (len(y), 3, FEATURE_VALUES)
        assert len(y) <= 32
        assert meta["gdop"].dtype == torch.float64
        assert all(len(rx_ids) == 3 for rx_ids in meta["rx_ids"])
        seen += meta["sample_idx"].tolist()
        samples.advance(meta["progress"])
        if number == 2:
            break
    for _, _, meta in DataLoader(samples, batch_size=32):
        seen += meta["sample_idx"].tolist()
    return sorted(seen)


def refused():
    """What is said where the loader would make batches of the stream's batches."""
    try:
        next(iter(DataLoader(dataset(), batch_size=32)))
    except UserError as error:
        return str(error)


def iq_tensor():
    """IQ as a tensor: complex, and over the memory of the array."""
    iq = np.arange(6, dtype=np.complex64).reshape(1, 2, 3)
    made = tensor(iq)
    return made.dtype == torch.complex64 and made.data_ptr() == iq.ctypes.data and made[0, 1, 2].item() == 5


def stateful():
    """StatefulDataLoader, stopped after some batches: its own state goes on; None below torch 2."""
    if int(torch.__version__.split(".")[0]) < 2:
        return None
    from torchdata.stateful_dataloader import StatefulDataLoader

    told = []
    for workers, even in ((0, None), (1, "pad"), (2, None), (3, None)):

        def make(even=even):
            stream = FeatureStream(
                topic=options["topic"], limits=LIMITS, batch_size=4, shuffle=True, seed=3, window=48, even=even
            )
            return TorchFeatureStream(stream)

        first = StatefulDataLoader(make(), batch_size=None, num_workers=workers)
        seen = []
        for number, (_, _, meta) in enumerate(first, start=1):
            seen += meta["sample_idx"].tolist()
            if number == 7:
                break
        state = first.state_dict()
        second = StatefulDataLoader(make(), batch_size=None, num_workers=workers)
        second.load_state_dict(state)
        for _, _, meta in second:
            seen += meta["sample_idx"].tolist()
        told.append(sorted(seen))
    return told


def main():
    first = dataset()
    before = read(first, loader(first, 2), batches=7)
    second = dataset()
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    after = read(second, loader(second, 3))
    second.set_epoch(1)
    told = {"before": before, "after": after, "next": read(second, loader(second, 0))}
    told |= {"epochs": epochs(), "shares_memory": shares_memory() and iq_tensor(), "stateful": stateful()}
    print(json.dumps(told | {"loaders_batches": loaders_batches(), "refused": refused(), "torch": torch.__version__}))


if __name__ == "__main__":
    main()
