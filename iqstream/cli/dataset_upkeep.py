"""`iqstream datasets delete|verify|cleanup`: proving datasets, and getting rid of them."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import click
import msgspec
from aiokafka.errors import KafkaError

from iqstream.catalogue.counts import deleted_rows
from iqstream.catalogue.datasets import Dataset, find_dataset, list_datasets
from iqstream.catalogue.postgres import Pool
from iqstream.cli.console import confirmed, say, say_json
from iqstream.cli.datasets import json_option, name_argument, version_option
from iqstream.cli.door import tell
from iqstream.reach import object_store, postgres_pool
from iqstream.runtime.errors import Failed
from iqstream.runtime.kafka import admin_client, reader_consumer
from iqstream.runtime.settings import Settings, load_settings
from iqstream.upkeep.cleanup import TopicPlan, delete_records, old_datasets, plan_topics
from iqstream.upkeep.remove import Removed, remove_dataset
from sink.frames import FrameReader
from sink.objects import ObjectStore

if TYPE_CHECKING:
    from iqstream.verify.verify import Check

SHOWN_PROBLEMS = 10
_AGE = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Age(click.ParamType[timedelta]):
    """`30d`, `12h`, `90m` or `45s`."""

    name = "age"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The text as a duration."""
        match = _AGE.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is no age: write 30d, 12h, 90m or 45s", param, ctx)
        return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


@asynccontextmanager
async def _stores(settings: Settings) -> AsyncIterator[tuple[Pool, ObjectStore]]:
    async with AsyncExitStack() as resources:
        store = object_store(settings)
        resources.callback(store.close)
        yield await resources.enter_async_context(postgres_pool(settings)), store


@click.command("delete", epilog="Example: iqstream datasets delete 'Test IQ Generation' --yes")
@name_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(dataset: str, yes: bool, as_json: bool) -> None:  # noqa: FBT001
    """Delete a dataset in all versions: rows, outcomes and stored IQ. A tombstone stays, by which its records that are
    still under way are recognised and skipped.

    Its records in Kafka stay until `iqstream datasets cleanup`, or until retention drops them. A deletion that was
    interrupted is finished by deleting the id again.
    """
    settings = load_settings()

    async def find() -> Dataset:
        async with postgres_pool(settings) as pool:
            return await find_dataset(pool, dataset)

    async def remove(dataset_id: str) -> Removed:
        async with _stores(settings) as (pool, store):
            return await remove_dataset(pool, store, dataset_id)

    found = asyncio.run(find())
    question = (
        f"Delete {found.name!r} ({found.id}, {found.status}): {found.accepted} rows and the IQ of "
        f"{found.iq_samples_saved} samples, for good?"
    )
    if not yes and not confirmed(question, "--yes"):
        raise Failed("nothing was deleted.")
    removed = asyncio.run(remove(found.id))
    if as_json:
        say_json({"id": found.id, "name": found.name, **msgspec.to_builtins(removed)})
    else:
        say(f"Deleted {found.name!r}: {removed.rows} rows and {removed.objects} objects.")


@click.command("verify", epilog="Example: iqstream datasets verify 'Test IQ Generation' --recompute 100")
@name_argument
@version_option
@click.option(
    "--recompute",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    metavar="N",
    help="Decided samples to make again from their frames; the same ones each time.",
)
@json_option
def verify(dataset: str, version: int | None, recompute: int, as_json: bool) -> None:  # noqa: FBT001
    """Prove a dataset against its lineage; exit code 1 and the names of what differs if it is not what it claims.

    Counters against outcomes; each accepted sample's row with its id, spec and lineage; each stored object against
    the frame it came from, which Kafka still has or which is synthesised again, proved by its crc32; and a choice of
    samples extracted and judged once more from their frames, compared to the last bit. Nothing is changed.
    """
    settings = load_settings()
    found, checks = asyncio.run(_verify(settings, dataset, version, recompute, quiet=as_json))
    holds = all(check.holds for check in checks)
    if as_json:
        say_json({"id": found.id, "version": found.version, "holds": holds, "checks": msgspec.to_builtins(checks)})
    elif holds:
        say(f"{found.name!r} version {found.version} is what its lineage says.")
    else:
        problems = sum(len(check.problems) for check in checks)
        say(f"{found.name!r} version {found.version} differs from its lineage in {problems} places.")
    sys.exit(0 if holds else 1)


async def _verify(
    settings: Settings, name_or_id: str, version: int | None, recompute: int, *, quiet: bool
) -> tuple[Dataset, list["Check"]]:
    from iqstream.verify.verify import Verifier  # brings the kernels of two stages
    from producer.synthesize import synthesize_sample
    from producer.tile_directory import tiles_in

    checks = []
    synthesize = partial(synthesize_sample, tiles=tiles_in(settings.terrain_dir))
    async with _stores(settings) as (pool, store), FrameReader(lambda: reader_consumer(settings)) as frames:
        found = await find_dataset(pool, name_or_id, version=version, tell=tell)
        try:
            verifier = Verifier(pool=pool, store=store, frames=frames, synthesize=synthesize, dataset=found)
            async for check in verifier.checks(recompute):
                checks.append(check)
                if not quiet:
                    _print_check(check)
        except (KafkaError, TimeoutError) as error:
            raise Failed(f"frames cannot be read from Kafka: {type(error).__name__} {error}") from None
    return found, checks


def _print_check(check: "Check") -> None:
    note = f" ({check.note})" if check.note else ""
    say(f"{'ok  ' if check.holds else 'FAIL'}  {check.name}: {check.checked}{note}")
    for problem in check.problems[:SHOWN_PROBLEMS]:
        say(f"      {problem}")
    if len(check.problems) > SHOWN_PROBLEMS:
        say(f"      and {len(check.problems) - SHOWN_PROBLEMS} more; --json has them all")


@click.command("cleanup", epilog="Example: iqstream datasets cleanup --older-than 30d --execute")
@click.option(
    "--older-than",
    type=Age(),
    metavar="AGE",
    help="Also delete datasets that have been complete or cancelled for longer: 30d, 12h.",
)
@click.option("--execute", is_flag=True, help="Do it; without, only say what would be done.")
@json_option
def cleanup(older_than: timedelta | None, execute: bool, as_json: bool) -> None:  # noqa: FBT001
    """Free what deleted and old datasets take up: rows, objects, and their records in Kafka. A dry run by default.

    Kafka drops records from the start of a partition only. They go up to what the topic's group has committed, and
    never a record that a dataset still needs: jobs and frames while a dataset is being made (recordings as long as it
    is there), features as long as it is there, since training reads them. What stays is left to the topic's retention.
    """
    report = asyncio.run(_cleanup(load_settings(), older_than, execute=execute))
    if as_json:
        say_json(report)
        return
    for line in _cleanup_lines(report):
        say(line)


async def _cleanup(settings: Settings, older_than: timedelta | None, *, execute: bool) -> dict[str, object]:
    async with _stores(settings) as (pool, store), admin_client(settings) as admin:
        every = await list_datasets(pool, include_deleted=True)
        old = {one.id: one for one in reversed(old_datasets(every, older_than, datetime.now(UTC)))}
        rows_left = await deleted_rows(pool)
        deleted = {one.id: one for one in every if one.status == "deleted"}
        left = {one.id: (rows_left.get(one.id, 0), len(await store.list_samples(one.id))) for one in deleted.values()}
        doomed = [*old.values(), *(deleted[key] for key, amounts in left.items() if any(amounts))]
        going = []
        for one in doomed:
            amounts = left.get(one.id) or (
                sum(version.accepted for version in every if version.id == one.id),
                len(await store.list_samples(one.id)),
            )
            going.append({"id": one.id, "name": one.name, "status": one.status, "rows": amounts[0],
                          "objects": amounts[1]})  # fmt: skip
            if execute:
                await remove_dataset(pool, store, one.id)
        remaining = [replace(one, status="deleted") if one.id in old else one for one in every]
        try:
            plans = await plan_topics(admin, pool, remaining)
        except KafkaError as error:
            raise Failed(f"Kafka does not tell what it holds: {type(error).__name__} {error}") from None
        if execute:
            await delete_records(admin, plans)
    return {"executed": execute, "datasets": going, "topics": [_plan_document(plan) for plan in plans]}


def _plan_document(plan: TopicPlan) -> dict[str, object]:
    return {
        "topic": plan.topic,
        "offsets_deleted": plan.goes,
        "offsets_left": plan.stays,
        "needed_by": plan.needed_by,
        "partitions": [
            {"partition": p.partition.partition, "log_start": p.log_start, "delete_before": p.before, "end": p.end}
            for p in plan.partitions
        ],
    }


def _cleanup_lines(report: dict[str, object]) -> Sequence[str]:
    did = "Deleted" if report["executed"] else "Would delete"
    lines = []
    for one in msgspec.convert(report["datasets"], list[dict[str, str | int]]):
        amounts = f"{one['rows']} rows, {one['objects']} objects"
        lines.append(f"{did} {one['status']} dataset {one['name']!r} ({one['id']}): {amounts}")
    for topic in msgspec.convert(report["topics"], list[dict[str, object]]):
        why = f"needed by {topic['needed_by']!r}" if topic["needed_by"] else "not read yet"
        left = f"; {topic['offsets_left']} are left to retention ({why})" if topic["offsets_left"] else ""
        lines.append(f"{did} {topic['offsets_deleted']} offsets of {topic['topic']}{left}")
    if not report["executed"]:
        lines.append("Nothing was changed: add --execute.")
    return lines
