"""`iqstream datasets`: what there is, how far it is, why samples failed, resuming and cancelling it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console

from iqstream.ops.commands.lazy import LazyGroup
from iqstream.ops.datasets.failures import FailureCount, failure_counts
from iqstream.ops.datasets.submit import resume
from iqstream.ops.datasets.watch import watch_dataset
from iqstream.ops.reach import postgres_pool
from iqstream.ops.tables import counts_table, datasets_table, failures_table, print_whole
from iqstream.runtime.errors import UserError
from iqstream.runtime.settings import load_settings
from sink.datasets import (
    Dataset,
    OutcomeCount,
    dataset_versions,
    find_dataset,
    list_datasets,
    outcome_counts_by_reason,
    set_status,
)
from sink.postgres import Pool

T = TypeVar("T")
name_argument = click.argument("dataset", metavar="NAME-OR-ID")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(
    cls=LazyGroup,
    modules={"cleanup": "dataset_upkeep", "delete": "dataset_upkeep", "export": "export", "verify": "dataset_upkeep"},
    epilog="Example: iqstream datasets show 'Test IQ Generation'",
)
def datasets() -> None:
    """List, show, watch, resume, cancel, verify, export and delete datasets."""


@datasets.command("list", epilog="Example: iqstream datasets list")
@json_option
def list_command(as_json: bool) -> None:  # noqa: FBT001
    """List the datasets, newest first."""
    found = _with_pool(list_datasets)
    if as_json:
        click.echo(json.dumps([plain(dataset) for dataset in found]))
        return
    if not found:
        click.echo("There are no datasets yet: `iqstream generate --help`.")
        return
    print_whole(Console(), datasets_table(found))


@datasets.command("show", epilog="Example: iqstream datasets show 'Test IQ Generation'")
@name_argument
@click.option("--version", type=click.IntRange(min=1), help="Which version; the newest by default.")
@json_option
def show(dataset: str, version: int | None, as_json: bool) -> None:  # noqa: FBT001
    """Show a dataset: its versions, its settings, its counts, and why samples were rejected or failed."""

    async def read(pool: Pool) -> tuple[Dataset, list[Dataset], list[OutcomeCount], list[FailureCount]]:
        found = await find_dataset(pool, dataset, version=version)
        return (
            found,
            await dataset_versions(pool, found.id),
            await outcome_counts_by_reason(pool, found.id, found.version),
            await failure_counts(pool, found.id, found.version),
        )

    found, versions, outcomes, failures = _with_pool(read)
    if as_json:
        more = {"outcomes": outcomes, "failures": failures, "versions": [one.version for one in versions]}
        click.echo(json.dumps(plain(found) | msgspec.to_builtins(more)))
        return
    click.echo(f"{found.name}  ({found.id}, version {found.version})  {found.status}")
    if len(versions) > 1:
        print_whole(Console(), datasets_table(versions))
    Console().print(counts_table(found, outcomes))
    if failures:
        print_whole(Console(), failures_table(failures))
    click.echo(msgspec.json.format(msgspec.json.encode(found.spec), indent=2).decode())


@datasets.command("watch", epilog="Example: iqstream datasets watch 'Test IQ Generation'")
@name_argument
def watch(dataset: str) -> None:
    """Show progress until the dataset is complete; Ctrl-C leaves it running."""
    found = _with_pool(lambda pool: find_dataset(pool, dataset))
    asyncio.run(watch_dataset(load_settings(), found.id))


@datasets.command("cancel", epilog="Example: iqstream datasets cancel 'Test IQ Generation'")
@name_argument
def cancel(dataset: str) -> None:
    """Cancel a dataset: what is stored stays, what is not made yet never will be."""

    async def end(pool: Pool) -> Dataset:
        found = await find_dataset(pool, dataset)
        if not await set_status(pool, found.id, found.version, "cancelled"):
            raise UserError(f"dataset {found.name!r} is {found.status} already: there is nothing to cancel")
        return found

    click.echo(f"Cancelled {_with_pool(end).name!r}.")


@datasets.command("resume", epilog="Example: iqstream datasets resume 'Test IQ Generation'")
@name_argument
def resume_command(dataset: str) -> None:
    """Submit the rest of a dataset whose submission was interrupted.

    What was submitted is kept with how far it got, in one transaction: nothing is made twice. Safe to run at any time.
    """
    settings = load_settings()

    async def go_on(pool: Pool) -> tuple[Dataset, int]:
        found = await find_dataset(pool, dataset)
        if found.status not in {"submitting", "running"}:
            raise UserError(f"dataset {found.name!r} is {found.status}: there is nothing to resume")
        interrupted = found.status == "submitting"  # one that runs was submitted whole, or grows at its own rate
        return found, await resume(settings, pool, found.spec) if interrupted else 0

    found, shards = _with_pool(go_on)
    click.echo(f"Resumed {found.name!r}: {shards} shards more." if shards else f"{found.name!r} was submitted whole.")


def plain(dataset: Dataset) -> dict[str, Any]:
    """A dataset as JSON values."""
    values: dict[str, Any] = msgspec.to_builtins(dataset)
    return values


def _with_pool(work: Callable[[Pool], Awaitable[T]]) -> T:
    async def run() -> T:
        async with postgres_pool(load_settings()) as pool:
            return await work(pool)

    return asyncio.run(run())
