"""The Python front door, from a spec to a file for training. Needs servers and stages that run: see the README."""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import iqstream

if __name__ == "__main__":  # a replay works in processes of its own, which import this file
    spec = iqstream.make_spec(
        name=f"Front door {uuid4().hex[:6]}", samples=4, capture={"capture_ms": 50, "chunk_ms": 10}, seed=1
    )
    with iqstream.connect() as client:
        print(client.submit(spec))
        for event in client.watch(spec.dataset_id):  # until nothing more will come
            last = event.dataset
        print(last)
        print(client.dataset(spec.dataset_id).outcomes)
        for group in client.lag().groups:
            print(group.group, group.total.status)

        print(client.plan_replay(spec.dataset_id, samples="0-1"))
        print(client.replay(spec.dataset_id, samples="0-1", workers=1))
        print(client.plan_move("extractor", iqstream.ToEarliest()).samples_again, "samples would be extracted again")
        since = iqstream.DeadLetterFilter(since=last.created_at)
        print(len(client.dead_letters(since).lines), "dead letters")

        for sample in client.stream(spec.dataset_id, end="latest", include_rejected=True):
            print(sample.meta["sample_idx"], sample.meta["outcome"], sample.y)
        with TemporaryDirectory() as folder:
            exported = client.export(spec.dataset_id, Path(folder) / "set.csv", file_format="csv")
            print(exported.rows, "rows exported")
        print(client.verify(spec.dataset_id, recompute=1).checks)

        print(client.plan_cleanup(older_than=timedelta(days=30)).executed)
        print(client.delete(spec.dataset_id))
