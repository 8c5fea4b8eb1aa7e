"""Train a small network with PyTorch, in one process or in several that average their gradients over gloo.

    python examples/train_torch.py --dataset 'Test IQ Generation' --ranks 2

All ranks read one snapshot of the stream, each its share; `even='pad'` gives every rank as many batches, as averaging
needs. The network guesses the transmitter's position from features and receivers.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
from torch import distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from iqstream.dataset import FeatureStream
from iqstream.dataset.torch import TorchFeatureStream
from schemas import Limits

EPOCHS = 2


def stream_of(arguments: argparse.Namespace) -> FeatureStream:
    """The samples that all ranks share out."""
    if arguments.topic:
        return FeatureStream(topic=arguments.topic, limits=Limits(), shuffle=True, even="pad")
    return FeatureStream(arguments.dataset, shuffle=True, even="pad")


def train(rank: int, arguments: argparse.Namespace, folder: str) -> None:
    """What one rank does; it writes what it saw into the folder."""
    store = distributed.FileStore(f"{folder}/store", arguments.ranks)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=arguments.ranks)
    snapshots = distributed.PrefixStore("snapshot", store)
    stream = stream_of(arguments)
    if rank == 0:
        stream.snapshot()
        snapshots.set("state", json.dumps(stream.state_dict()))
    else:
        stream.load_state_dict(json.loads(snapshots.get("state")))
    dataset = TorchFeatureStream(stream, rank=rank, world_size=arguments.ranks)
    loader = DataLoader(dataset, batch_size=8)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.LazyLinear(32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
    network(torch.nan_to_num(next(iter(loader)).x["features"].flatten(1)))  # so that it knows its inputs
    model = DistributedDataParallel(network)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    samples, batches, loss = [], 0, torch.zeros(())
    for epoch in range(EPOCHS):
        dataset.set_epoch(epoch)
        for x, y, meta in loader:
            features = torch.nan_to_num(x["features"].flatten(1))
            loss = torch.nn.functional.mse_loss(model(features / (1 + features.abs())), y[:, :2] / 90)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            dataset.advance(meta["progress"])
            samples += meta["sample_idx"].tolist()
            batches += 1
    weight = float(sum(parameter.detach().double().sum() for parameter in model.parameters()))
    told = {"samples": samples, "batches": batches, "weight": weight, "loss": float(loss)}
    Path(folder, f"rank-{rank}.json").write_text(json.dumps(told), encoding="utf-8")
    distributed.barrier()
    distributed.destroy_process_group()


def main() -> None:
    """Starts the ranks, and prints what they did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dataset", help="name or id; all that are on the topic, if not given")
    parser.add_argument("--topic", help="a topic of feature records other than iq.features")
    parser.add_argument("--ranks", type=int, default=1, help="training processes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(train, args=(arguments, folder), nprocs=arguments.ranks)
        told = [json.loads(Path(folder, f"rank-{rank}.json").read_text()) for rank in range(arguments.ranks)]
    result = {
        "ranks": arguments.ranks,
        "batches": [one["batches"] for one in told],
        "samples": [index for one in told for index in one["samples"]],
        "weights": [one["weight"] for one in told],
    }
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{arguments.ranks} ranks, {result['batches'][0]} batches each, {len(set(result['samples']))} samples")


if __name__ == "__main__":
    main()
