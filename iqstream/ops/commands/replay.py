"""`iqstream replay`: a dataset again, or a stage from another position."""

import asyncio
import os

import click

from iqstream.ops.reach import postgres_pool
from iqstream.ops.replay.run import DatasetReplay, check_version, replay_dataset, show_plan
from iqstream.runtime.settings import load_settings


@click.command(
    epilog="""\b
Examples:
  iqstream replay --dataset 'Test IQ Generation' --dry-run
  iqstream replay --dataset 'Test IQ Generation' --samples 0-99 --as-version 2
"""
)
@click.option("--dataset", metavar="NAME-OR-ID", required=True, help="Process this dataset again.")
@click.option("--version", type=click.IntRange(min=1), metavar="N", help="Of the dataset.  [default: the newest]")
@click.option("--samples", metavar="A-B[,C-D]", help="Only these samples, the last included.  [default: all]")
@click.option(
    "--as-version", type=click.IntRange(min=2), metavar="N", help="Store the results as this version, beside the old."
)
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes.  [default: the number of cores]")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan or the result as JSON.")
def replay(
    dataset: str,
    version: int | None,
    samples: str | None,
    as_version: int | None,
    workers: int | None,
    dry_run: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Process a dataset again, from its frames as far as Kafka has them, else from its spec."""
    asked = DatasetReplay(
        dataset=dataset, version=version, samples=samples, as_version=as_version, workers=workers or os.cpu_count() or 1
    )
    check_version(asked)
    settings = load_settings()

    async def run() -> None:
        async with postgres_pool(settings) as pool:
            await (show_plan if dry_run else replay_dataset)(settings, pool, asked, as_json=as_json)

    asyncio.run(run())
