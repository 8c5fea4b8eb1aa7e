"""A network that learns to locate from a dataset while it grows, and writes where each new transmitter stands.

    iqstream generate --name Growing --continuous --rate 5/s --features-only --set pairs=true
    python examples/locate_network.py Growing runs/growing
    iqstream lag --group locate-network --topic iq.features --watch

Every sample is located before it is learnt from, so the printed errors are those of samples that the network has never
seen. FOLDER holds estimates.jsonl and checkpoint.pt: the network, the samples that it learns from (the last 10,000),
and the stream's position. Killed and started again it goes on after the last checkpoint; estimates written since are
made again. The position is also committed to a consumer group, which is how `iqstream lag` watches it.
PyTorch: pip install torch, or python3-torch.
"""

import argparse
import asyncio
import json
import os
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from aiokafka import AIOKafkaConsumer, TopicPartition
from set_network import Network, Samples, SetNetwork, learn, region_holds, stacked

import iqstream
from iqstream.dataset import FeatureStream
from iqstream.dataset.batch import Batch
from iqstream.locate.differences import RobustLeastSquares
from iqstream.locate.estimate import moved, offset_km
from iqstream.locate.loss_map import loss_map
from iqstream.runtime.errors import IqstreamError
from iqstream.runtime.kafka import started_reader
from iqstream.runtime.settings import load_settings
from iqstream.runtime.topics import FEATURES
from schemas import DatasetSpec

GROUP = "locate-network"
CELLS = 2000
"""Of the map in which the start is sought: more find the same place."""
BATCH = 128
REMEMBERED = 10_000
"""Samples that it learns from, the latest: 3 KB each, in memory and in every checkpoint."""


class Learner:
    """A network with everything that it has learnt from."""

    def __init__(self, spec: DatasetSpec, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.receivers = Network(spec)
        self.start = RobustLeastSquares(loss_map(spec, cells=CELLS), self.receivers.places)
        self.network = SetNetwork()
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=1e-3, weight_decay=1e-3)
        self.located = 0
        self.learnt: deque[Samples] = deque(maxlen=REMEMBERED)

    def locate(self, sample: Batch) -> dict[str, Any]:
        """Where a new sample's transmitter stands; afterwards the sample is one to learn from, if its place is known.

        Of a real recording nobody knows it: its errors are None.
        """
        x, y, meta = sample
        if meta["level_reference"] != "dbm":
            raise SystemExit(
                f"sample {meta['sample_idx']}: levels of reference {meta['level_reference']} are no powers at the "
                "antenna, which this network takes them for: calibrate the receivers"
            )
        start = self.start.locate(self.receivers.observation(x, meta["rx_ids"]))
        seen = self.receivers.samples(x, y, meta["rx_ids"], start)
        with torch.no_grad():
            found = self.network(seen)
            held = region_holds(found, seen.truth)
        place = moved(start.latitude, start.longitude, np.array(found.mean[0].tolist()))
        answer = {
            "sample_idx": meta["sample_idx"],
            "latitude": place[0],
            "longitude": place[1],
            "deviation_km": float(found.variance.sum().sqrt()),
            "error_km": None,
            "start_error_km": None,
            "in_region": None,
            "learnt_from": len(self.learnt),
        }
        self.located += 1
        if np.isfinite(y[:2]).all():
            answer["error_km"] = float(np.hypot(*offset_km(*place, y[0], y[1])))
            answer |= {"start_error_km": float(seen.truth.norm()), "in_region": bool(held)}
            self.learnt.append(seen)
        return answer

    def learn(self, steps: int) -> None:
        """Some steps over what it remembers."""
        if not self.learnt:
            return
        remembered = stacked(list(self.learnt))
        for _ in range(steps):
            learn(self.network, self.optimiser, remembered.rows(torch.randint(len(self.learnt), (BATCH,))))

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""
        learnt = tuple(stacked(list(self.learnt))) if self.learnt else None
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "located": self.located,
            "learnt": learnt,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from a checkpoint."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.located = state["located"]
        if state["learnt"] is not None:
            known = Samples(*state["learnt"])
            self.learnt.extend(known.rows(slice(row, row + 1)) for row in range(len(known.truth)))


class Folder:
    """Estimates and the checkpoint that they belong to: what was written after it is made again."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._checkpoint = path / "checkpoint.pt"
        self._estimates = (path / "estimates.jsonl").open("ab")

    def go_on(self, learner: Learner, stream: FeatureStream) -> None:
        """From the last checkpoint, where there is one; else from the beginning."""
        size = 0
        if self._checkpoint.exists():
            saved = torch.load(self._checkpoint)
            learner.load(saved["learner"])
            stream.load_state_dict(json.loads(saved["stream"]))
            size = saved["estimates_bytes"]
        self._estimates.truncate(size)

    def write(self, estimate: dict[str, Any]) -> None:
        """One line more."""
        self._estimates.write(json.dumps(estimate).encode() + b"\n")

    def save(self, learner: Learner, position: dict[str, Any]) -> None:
        """A checkpoint, whole or not at all."""
        self._estimates.flush()
        os.fsync(self._estimates.fileno())
        saved = {
            "learner": learner.state(),
            "stream": json.dumps(position),
            "estimates_bytes": os.fstat(self._estimates.fileno()).st_size,
        }
        new = self._checkpoint.with_suffix(".new")
        torch.save(saved, new)
        new.replace(self._checkpoint)


async def arriving(stream: FeatureStream, patience_s: float) -> AsyncIterator[Batch | None]:
    """Samples as they come; None whenever none has come for a while."""
    async with aclosing(aiter(stream)) as samples:
        coming = asyncio.ensure_future(anext(samples))
        try:
            while True:
                await asyncio.wait({coming}, timeout=patience_s)
                if not coming.done():
                    yield None
                    continue
                yield coming.result()
                coming = asyncio.ensure_future(anext(samples))
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def commit(consumer: AIOKafkaConsumer, position: dict[str, Any]) -> None:
    """Tells the group's offsets what the checkpoint says, for whoever watches it."""
    offsets = {TopicPartition(FEATURES, int(p)): saved["window"] for p, saved in position["partitions"].items()}
    if offsets:
        consumer.assign(list(offsets))
        await consumer.commit(offsets)


async def follow(dataset: str, folder: Folder, *, most: int | None, every: int, steps: int) -> None:
    """Locates every sample that comes, and learns from it; saves every so many, and when none comes."""
    async with iqstream.aconnect() as client:
        spec = (await client.dataset(dataset)).dataset.spec
    learner, stream = Learner(spec), FeatureStream(spec.dataset_id, pairs=True, end=None)
    folder.go_on(learner, stream)
    if most is not None and learner.located >= most:
        return
    recent: list[dict[str, Any]] = []
    saved = stream.state_dict()
    async with started_reader(load_settings(), group=GROUP) as consumer, aclosing(arriving(stream, 2.0)) as samples:
        async for sample in samples:
            if sample is not None:
                estimate = learner.locate(sample)
                folder.write(estimate)
                recent = [*recent[-499:], estimate]
            enough = most is not None and learner.located >= most
            if sample is not None and learner.located % every == 0:
                await asyncio.to_thread(learner.learn, steps)
                print(told(recent), flush=True)
            elif sample is not None and not enough:
                continue
            if (position := stream.state_dict()) != saved:
                folder.save(learner, position)
                await commit(consumer, position)
                saved = position
            if enough:
                return


def told(recent: Sequence[dict[str, Any]]) -> str:
    """How good the last estimates were."""
    known = [one for one in recent if one["error_km"] is not None]
    if not known:
        return f"located {len(recent)}, of none of which the place is known"
    errors, starts = (np.array([one[name] for one in known]) for name in ("error_km", "start_error_km"))
    held = np.mean([one["in_region"] for one in known])
    return (
        f"learnt from {known[-1]['learnt_from'] + 1}: the last {len(known)} are off by {np.median(errors):.2f} km at "
        f"the median, {np.percentile(errors, 95):.2f} km at 95 % (their starts {np.median(starts):.2f} and "
        f"{np.percentile(starts, 95):.2f}); the 90 % region held {100 * held:.0f} %"
    )


def main() -> None:
    """Follows until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="name or id; made with pairs: true")
    parser.add_argument("folder", type=Path, help="where estimates and checkpoint stand")
    parser.add_argument("--samples", type=int, help="stop after so many; without it goes on for ever")
    parser.add_argument("--every", type=int, default=64, help="learn and save after so many samples")
    parser.add_argument("--steps", type=int, default=16, help="of learning, each time")
    given = parser.parse_args()
    work = follow(given.dataset, Folder(given.folder), most=given.samples, every=given.every, steps=given.steps)
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except IqstreamError as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from None


if __name__ == "__main__":
    main()
