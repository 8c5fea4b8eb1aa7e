"""The whole main job on the embedded servers: stages started, a dataset made although a worker is killed."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from iqstream.catalogue.dataset_status import set_status
from iqstream.catalogue.datasets import get_dataset
from iqstream.demo.kill_worker import Workers, kill_one
from iqstream.demo.results import DemoResults, demo_results
from iqstream.reach import postgres_pool
from iqstream.runtime.errors import Failed
from iqstream.runtime.logs import configure_logs
from iqstream.runtime.settings import Settings, secrets_of
from iqstream.runtime.stages import EXTRACTOR, STAGES
from iqstream.runtime.terminal import OutputLost
from iqstream.runtime.workers import supervise
from iqstream.submit.submission import submit
from iqstream.watch.event import Progress, WatchEvent, require_success
from iqstream.watch.watch import watch_dataset
from schemas import DatasetSpec

log = logging.getLogger(__name__)

Show: TypeAlias = Callable[[AsyncGenerator[WatchEvent, None]], Awaitable[Progress]]

EXTRACTORS = 2
"""One works while the other is killed and comes back; of every other stage there is one worker."""


def demo_name(now: datetime) -> str:
    """A name that no earlier demo has."""
    return f"Demo {now:%Y-%m-%d %H:%M:%S}"


async def run_demo(
    settings: Settings, environ: Mapping[str, str], spec: DatasetSpec, show: Show, state_dir: Path
) -> DemoResults:
    """Starts the stages, submits, kills an extractor on the way, watches to the end, stops the stages, reads all back.

    `environ` is the stages'; `settings` come from it. `show` is given the readings of progress; returns the last.

    Interrupted, or with nobody to show it to, it cancels its dataset: nobody would want the rest of it later.

    Raises:
        Failed: the dataset ended otherwise than complete.
    """
    log_path = state_dir / "logs" / "stages.log"
    extractors = Workers()
    try:
        async with stages(settings, environ, log_path, extractors), postgres_pool(settings) as pool:
            await submit(settings, pool, spec)
            killing = asyncio.create_task(kill_one(settings, pool, spec, extractors))
            try:
                progress = await show(watch_dataset(settings, spec.dataset_id))
                kill = await killing
            finally:
                killing.cancel()
    except (asyncio.CancelledError, OutputLost):
        async with postgres_pool(settings) as pool:
            if await get_dataset(pool, spec.dataset_id) is not None:
                await set_status(pool, spec.dataset_id, spec.dataset_version, "cancelled")
        raise
    if progress.dataset.status != "complete":
        raise Failed(f"the dataset ended {progress.dataset.status}; see {log_path}")
    require_success(progress.dataset)
    picture = state_dir / "pictures" / f"{spec.dataset_id}.png"
    return await demo_results(settings, progress.dataset, kill, state_dir=state_dir, picture=picture)


@contextlib.asynccontextmanager
async def stages(
    settings: Settings, environ: Mapping[str, str], log_path: Path, extractors: Workers
) -> AsyncIterator[None]:
    """The workers of every stage while the context lasts; they and we log to a file. `extractors` knows theirs.

    Raises:
        IqstreamError: a stage could not go on.
    """
    stop, kill = asyncio.Event(), asyncio.Event()
    with log_path.open("a", encoding="utf-8", buffering=1) as log_file:
        configure_logs("text", level=settings.log_level, stream=log_file, secrets=secrets_of(settings))
        supervisors = [
            asyncio.create_task(
                supervise(
                    stage.name,
                    group=stage.group,
                    workers=EXTRACTORS if stage is EXTRACTOR else 1,
                    settings=settings,
                    stop=stop,
                    kill=kill,
                    log_file=log_file,
                    environ=environ,
                    on_start=extractors.started if stage is EXTRACTOR else None,
                )
            )
            for stage in STAGES.values()
        ]
        owner = asyncio.current_task()

        def on_end(supervisor: asyncio.Task[None]) -> None:
            if not stop.is_set() and owner is not None:
                owner.cancel()  # a stage has ended by itself: nothing will ever finish
            elif not supervisor.cancelled() and (error := supervisor.exception()) is not None:
                log.warning("a stage did not stop in order: %s", error)

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
            try:
                await asyncio.wait(supervisors)
            except asyncio.CancelledError:  # interrupted while they stop: at once, and still none is left behind
                kill.set()
                await asyncio.wait(supervisors)
                raise
            finally:
                configure_logs("text", level=settings.log_level, secrets=secrets_of(settings))
