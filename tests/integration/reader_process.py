"""A training process: for every line on standard input it takes a batch and tells which, and the state after it."""

import json
import sys

from iqstream.dataset import FeatureStream
from tests.integration.feature_topics import LIMITS


def main(options):
    stream = FeatureStream(limits=LIMITS, **options["stream"])
    if options["states"]:
        stream.load_state_dict(*options["states"])
    batches = iter(stream.sharded(*options["shard"]).with_progress())
    for _ in sys.stdin:
        batch, state = next(batches, (None, None))
        samples = None if batch is None else batch.meta["sample_idx"].tolist()
        print(json.dumps({"samples": samples, "state": state}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
