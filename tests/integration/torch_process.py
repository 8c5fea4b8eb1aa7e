"""Real torch over the stream, in a process that can import it: DataLoader workers, a stop, another number of them."""

import json
import sys

options = json.loads(sys.argv[1])
sys.path.append(options["site_packages"])  # after our own: NumPy and everything else stay ours

import torch  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from iqstream.dataset import FeatureStream  # noqa: E402
from iqstream.dataset.torch import TorchFeatureStream, as_tensors, tensor  # noqa: E402
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
        assert x["features"].dtype == torch.float64
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
    x, y, _ = as_tensors(batch, {})
    pairs = [(x[name], batch.x[name]) for name in batch.x] + [(y, batch.y), (tensor(batch.y), batch.y)]
    return all(one.data_ptr() == array.ctypes.data for one, array in pairs)


def main():
    first = dataset()
    before = read(first, loader(first, 2), batches=7)
    second = dataset()
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    after = read(second, loader(second, 3))
    second.set_epoch(1)
    told = {"before": before, "after": after, "next": read(second, loader(second, 0))}
    print(json.dumps(told | {"epochs": epochs(), "shares_memory": shares_memory()}))


if __name__ == "__main__":
    main()
