"""`iqstream stream`: samples out of Kafka to standard output, for whatever reads them there."""

import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import Any

import click
import msgspec
import numpy as np

from iqstream.cli.numbers import WholeNumber
from iqstream.client.asynchronous import aconnect
from iqstream.dataset import Batch
from iqstream.dataset.batch import batch_of_one, first_of
from iqstream.dataset.position import SCHEMA_SHA256
from iqstream.dataset.splits import SPLITS, SPLITS_BY, Split, SplitBy
from iqstream.export.arrow import arrow, arrow_batch, arrow_schema
from iqstream.export.pairs import STREAMED_PAIR_COLUMNS, pair_table_of_batch
from iqstream.export.table import STREAM_COLUMNS, table_of_batch
from iqstream.runtime.terminal import ReaderGone, discard_output
from iqstream.runtime.topics import FEATURES
from schemas import FEATURE_NAMES, PAIR_QUANTITIES, STATISTICS

BATCH = 64
RECEIVER_KEYS = ("latitude", "longitude", "altitude_m", "antenna_height_m")
EXAMPLES = """\b
Examples:
  iqstream stream --dataset 'Test IQ Generation' --split train | head -n 1
  iqstream stream --follow --format arrow | my-trainer
"""  # \b is click's mark for text that is not to be rewrapped


@click.command(epilog=EXAMPLES)
@click.option("--dataset", metavar="NAME-OR-ID", help="One dataset; all that are on the topic, if not given.")
@click.option(
    "--version", type=WholeNumber(min=1), metavar="N", help="Of the dataset.  [default: the newest that is whole]"
)
@click.option("--topic", default=FEATURES, show_default=True, help="Where the feature records are.")
@click.option("--follow", is_flag=True, help="Go on for ever; without it, up to where the topic ends now.")
@click.option("--limit", type=WholeNumber(min=1), metavar="N", help="End after N samples.")
@click.option("--split", type=click.Choice(SPLITS), help="Only the samples of this split.")
@click.option("--split-by", type=click.Choice(SPLITS_BY), default="random", show_default=True, help="Which split.")
@click.option("--include-rejected", is_flag=True, help="Also the samples that miss their dataset's limits.")
@click.option("--pairs", is_flag=True, help="The time differences, too; as Arrow, a row per sample and pair instead.")
@click.option(
    "--format", "form", type=click.Choice(["ndjson", "arrow"]), default="ndjson", show_default=True,
    help="A JSON object a sample, or Arrow's IPC stream with a row per sample and receiver.",
)  # fmt: skip
def stream(
    dataset: str | None,
    version: int | None,
    topic: str,
    follow: bool,  # noqa: FBT001
    limit: int | None,
    split: Split | None,
    split_by: SplitBy,
    include_rejected: bool,  # noqa: FBT001
    pairs: bool,  # noqa: FBT001
    form: str,
) -> None:
    """Write accepted samples to standard output, as `iqstream.dataset.FeatureStream` reads them.

    Ends quietly when the reader has had enough.
    """
    if form == "arrow":
        arrow()
    samples = aconnect().stream(
        dataset,
        version=version,
        topic=topic,
        end=None if follow else "latest",
        batch_size=None if form == "ndjson" or follow else BATCH,
        split=split,
        split_by=split_by,
        include_rejected=include_rejected,
        pairs=pairs,
    )
    try:
        with closing(iter(samples)) as items:  # type: ignore[type-var]  # a generator, which can be closed
            if form == "ndjson":
                _write_ndjson(islice(items, limit))
            else:
                _write_arrow(_at_most(items, limit), pairs=pairs)
        sys.stdout.flush()
    except ReaderGone:
        discard_output()
    except KeyboardInterrupt:
        return  # this is how following ends


def _write_ndjson(items: Iterator[Batch]) -> None:
    for item in items:
        sys.stdout.buffer.write(msgspec.json.encode(as_json(item)) + b"\n")
        sys.stdout.buffer.flush()


def as_json(item: Batch) -> dict[str, Any]:
    """A sample as JSON values; NaN becomes null where it is written."""
    x, y, meta = item
    latitude, longitude, altitude_m = y.tolist()
    known = not np.isnan(latitude)
    receivers = [
        {
            "rx_id": meta["rx_ids"][at],
            **dict(zip(RECEIVER_KEYS, x["receivers"][at].tolist(), strict=True)),
            "detected": bool(x["detected"][at]),
            "features": {
                name: dict(zip(STATISTICS, values, strict=True))
                for name, values in zip(FEATURE_NAMES, x["features"][at].reshape(-1, 4).tolist(), strict=True)
            },
        }
        for at in np.flatnonzero(x["present"]).tolist()
    ]
    sample = {
        "schema": SCHEMA_SHA256,
        **{name: value for name, value in meta.items() if name not in {"truth", "rx_ids"}},
        "position": {"latitude": latitude, "longitude": longitude, "altitude_m": altitude_m} if known else None,
        "receivers": receivers,
    }
    return sample | ({"pairs": _pairs_as_json(item)} if "pairs" in x else {})


def _pairs_as_json(item: Batch) -> list[dict[str, Any]]:
    x, _, meta = item
    return [
        {
            "receiver_a": meta["rx_ids"][a],
            "receiver_b": meta["rx_ids"][b],
            **dict(zip(PAIR_QUANTITIES, values, strict=True)),
            "found": bool(values[PAIR_QUANTITIES.index("found")]),
        }
        for (a, b), values in zip(x["pair_receivers"].tolist(), x["pairs"].tolist(), strict=True)
        if a >= 0
    ]


def _write_arrow(batches: Iterator[Batch], *, pairs: bool) -> None:
    """The schema goes out before the first sample is there."""
    columns, table_of = (STREAMED_PAIR_COLUMNS, pair_table_of_batch) if pairs else (STREAM_COLUMNS, table_of_batch)
    schema = arrow_schema(columns, {"schema_sha256": SCHEMA_SHA256})
    with arrow("pyarrow.ipc").new_stream(sys.stdout.buffer, schema) as writer:
        sys.stdout.buffer.flush()
        for batch in batches:
            writer.write_batch(arrow_batch(table_of(batch), schema))
            sys.stdout.buffer.flush()


def _at_most(batches: Iterator[Batch], samples: int | None) -> Iterator[Batch]:
    """The first samples of a stream of batches, or of samples made batches of one."""
    given = 0
    for batch in batches:
        one = batch_of_one(batch) if batch.y.ndim == 1 else batch
        if samples is not None and given + len(one.y) >= samples:
            yield first_of(one, samples - given)
            return
        given += len(one.y)
        yield one
