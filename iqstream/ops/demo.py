"""The whole main job on the embedded servers: stages started, a dataset made, and what was stored."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

from rich.console import Console

from iqstream.ops.progress import Progress
from iqstream.ops.reach import object_store, postgres_pool
from iqstream.ops.submit import submit
from iqstream.ops.tables import counts_table, print_whole, result_table
from iqstream.ops.watch import watch_dataset
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import EXTRACTOR_GROUP, PRODUCER_GROUP, SINK_GROUP
from iqstream.runtime.workers import supervise
from schemas import DatasetSpec
from sink.datasets import Dataset, get_dataset, outcome_counts_by_reason, set_status
from sink.objects import BUCKET

GROUPS = {"producer": PRODUCER_GROUP, "extractor": EXTRACTOR_GROUP, "sink": SINK_GROUP}

QUERIES: tuple[str, ...] = (
    "SELECT COUNT(*) FROM heimdall.measurement_features;",
    (
        "SELECT recording_session_id, array_length(receiver_features, 1) AS num_receivers, overall_confidence,\n"
        "       mean_snr_db, num_receivers_detected, gdop\n"
        "FROM heimdall.measurement_features LIMIT 5;"
    ),
    (
        "SELECT receiver_features[1]->>'rx_id' AS rx_id, receiver_features[1]->'snr_db'->>'mean' AS snr_mean,\n"
        "       receiver_features[1]->'rssi_dbm'->>'mean' AS rssi_mean\n"
        "FROM heimdall.measurement_features LIMIT 1;"
    ),
)
"""The queries that users of the stored rows know."""


def demo_name(now: datetime) -> str:
    """A name that no earlier demo has."""
    return f"Demo {now:%Y-%m-%d %H:%M:%S}"


async def run_demo(settings: Settings, spec: DatasetSpec, console: Console, log_path: Path) -> Progress:
    """Starts the stages, submits, watches to the end, stops the stages, shows what was stored.

    Interrupted, it cancels its dataset: nobody would want the rest of it later.
    """
    try:
        async with stages(settings, log_path):
            async with postgres_pool(settings) as pool:
                await submit(settings, pool, spec)
            progress = await watch_dataset(settings, spec.dataset_id, console)
    except asyncio.CancelledError:
        async with postgres_pool(settings) as pool:
            if await get_dataset(pool, spec.dataset_id) is not None:
                await set_status(pool, spec.dataset_id, spec.dataset_version, "cancelled")
        raise
    await show_stored(settings, progress.dataset, console)
    return progress


@contextlib.asynccontextmanager
async def stages(settings: Settings, log_path: Path) -> AsyncIterator[None]:
    """One worker of every stage while the context lasts, logging to a file.

    Raises:
        IqstreamError: a stage could not go on.
    """
    stop, kill = asyncio.Event(), asyncio.Event()
    with log_path.open("ab") as log:
        supervisors = [
            asyncio.create_task(
                supervise(stage, group=group, workers=1, settings=settings, stop=stop, kill=kill, log_file=log)
            )
            for stage, group in GROUPS.items()
        ]
        owner = asyncio.current_task()

        def on_end(_task: asyncio.Task[None]) -> None:
            if not stop.is_set() and owner is not None:
                owner.cancel()  # a stage has ended by itself: nothing will ever finish

        for supervisor in supervisors:
            supervisor.add_done_callback(on_end)
        try:
            yield
        except asyncio.CancelledError:
            for supervisor in supervisors:
                if supervisor.done():
                    supervisor.result()
            raise
        finally:
            stop.set()
            await asyncio.gather(*supervisors, return_exceptions=True)


async def show_stored(settings: Settings, dataset: Dataset, console: Console) -> None:
    """Counts by outcome, the three queries with their results, and the objects."""
    async with postgres_pool(settings) as pool:
        outcomes = await outcome_counts_by_reason(pool, dataset.id, dataset.version)
        console.print(counts_table(dataset, outcomes))
        for query in QUERIES:
            console.print(f"\n{query}", style="bold", highlight=False, soft_wrap=True)
            print_whole(console, result_table(await pool.fetch(query)))
    names = await object_store(settings).list_samples(dataset.id)
    folders = {name.rsplit("/", 1)[0] for name in names}
    console.print(f"\n{len(names)} objects in {len(folders)} folders of {BUCKET}, for example", highlight=False)
    for name in names[:3]:
        console.print(f"  {name}", highlight=False, soft_wrap=True)
