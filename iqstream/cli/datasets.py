"""`iqstream datasets`: what there is, how far it is, why samples failed; resuming, ending and cancelling it."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import click
import msgspec

from iqstream.catalogue.dataset_status import set_status
from iqstream.catalogue.datasets import (
    Dataset,
    dataset_versions,
    find_dataset,
    held_of,
    list_datasets,
    version_under_way,
)
from iqstream.catalogue.failures import FailureCount, failure_counts
from iqstream.catalogue.outcomes import OutcomeCount, outcome_counts_by_reason
from iqstream.catalogue.postgres import Pool
from iqstream.cli.console import Console, say, say_json
from iqstream.cli.growing import MAX_SAMPLES_PER_S, grow_until_stopped, growth_ended
from iqstream.cli.lazy import LazyGroup
from iqstream.cli.rate import Rate
from iqstream.cli.tables import counts_table, datasets_table, failures_table, print_whole
from iqstream.cli.watching import watch_to_the_end
from iqstream.reach import postgres_pool
from iqstream.runtime.errors import UserError
from iqstream.runtime.settings import load_settings
from iqstream.shards import SUBMITTED_VERSION
from iqstream.submit.continuous import end_growth
from iqstream.submit.submission import resume

T = TypeVar("T")
name_argument = click.argument("dataset", metavar="NAME-OR-ID")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
version_option = click.option(
    "--version", type=click.IntRange(min=1), metavar="N", help="Which version.  [default: the newest that is whole]"
)
under_way_option = click.option(
    "--version", type=click.IntRange(min=1), metavar="N", help="Which version.  [default: the newest under way]"
)
tell = partial(say, err=True)


@click.group(
    cls=LazyGroup,
    modules={"cleanup": "dataset_upkeep", "delete": "dataset_upkeep", "export": "export", "verify": "dataset_upkeep"},
    epilog="Example: iqstream datasets show 'Test IQ Generation'",
)
def datasets() -> None:
    """List, show, watch, resume, end, cancel, verify, export and delete datasets."""


@datasets.command("list", epilog="Example: iqstream datasets list")
@json_option
def list_command(as_json: bool) -> None:  # noqa: FBT001
    """List the datasets, newest first."""
    found = _with_pool(list_datasets)
    if as_json:
        say_json([plain(dataset) for dataset in found])
        return
    if not found:
        say("There are no datasets yet: `iqstream generate --help`.")
        return
    print_whole(Console(), datasets_table(found))


@datasets.command("show", epilog="Example: iqstream datasets show 'Test IQ Generation'")
@name_argument
@version_option
@json_option
def show(dataset: str, version: int | None, as_json: bool) -> None:  # noqa: FBT001
    """Show a dataset: its versions, its settings, its counts, and why samples were rejected or failed."""

    async def read(pool: Pool) -> tuple[Dataset, list[Dataset], list[OutcomeCount], list[FailureCount]]:
        found = await find_dataset(pool, dataset, version=version, tell=tell)
        return (
            found,
            await dataset_versions(pool, found.id),
            await outcome_counts_by_reason(pool, found.id, found.version),
            await failure_counts(pool, found.id, found.version),
        )

    found, versions, outcomes, failures = _with_pool(read)
    if as_json:
        more = {"outcomes": outcomes, "failures": failures, "versions": [one.version for one in versions]}
        say_json(plain(found) | msgspec.to_builtins(more))
        return
    held = f", {held_of(found, versions)}" if len(versions) > 1 else ""
    say(f"{found.name}  ({found.id}, version {found.version}{held})  {found.status}")
    if len(versions) > 1:
        print_whole(Console(), datasets_table(versions))
    print_whole(Console(), counts_table(found, outcomes))
    if failures:
        print_whole(Console(), failures_table(failures))
    say(*msgspec.json.format(msgspec.json.encode(found.spec), indent=2).decode().split("\n"))


@datasets.command("watch", epilog="Example: iqstream datasets watch 'Test IQ Generation'")
@name_argument
@under_way_option
def watch(dataset: str, version: int | None) -> None:
    """Show progress until the dataset is complete; Ctrl-C leaves it running. Exit code 1 if every sample failed."""
    found = _with_pool(lambda pool: find_dataset(pool, dataset, version=version, prefer=version_under_way, tell=tell))
    watch_to_the_end(load_settings(), found.id, version=found.version)


@datasets.command("cancel", epilog="Example: iqstream datasets cancel 'Test IQ Generation'")
@name_argument
@under_way_option
def cancel(dataset: str, version: int | None) -> None:
    """Cancel a dataset: what is stored stays, what is not made yet never will be."""

    async def end(pool: Pool) -> Dataset:
        found = await find_dataset(pool, dataset, version=version, prefer=version_under_way, tell=tell)
        if not await set_status(pool, found.id, found.version, "cancelled"):
            raise UserError(f"dataset {found.name!r} is {found.status} already: there is nothing to cancel")
        return found

    say(f"Cancelled {_with_pool(end).name!r}.")


@datasets.command("resume", epilog="Example: iqstream datasets resume 'Test IQ Generation'")
@name_argument
@click.option(
    "--rate",
    type=Rate(MAX_SAMPLES_PER_S),
    metavar="N/s",
    help="Of a dataset that grows: go on at this rate until Ctrl-C.",
)
@json_option
def resume_command(dataset: str, rate: float | None, as_json: bool) -> None:  # noqa: FBT001
    """Submit the rest of a dataset whose submission was interrupted, or go on with one that grows.

    What was submitted is kept with how far it got, in one transaction: nothing is made twice. Safe to run at any time.
    """
    settings = load_settings()

    async def go_on(pool: Pool) -> tuple[Dataset, int]:
        found = await find_dataset(pool, dataset, version=SUBMITTED_VERSION)
        if found.status not in {"submitting", "running"}:
            raise UserError(f"dataset {found.name!r} is {found.status}: there is nothing to resume")
        if found.is_growing and rate is None:
            raise UserError(
                f"dataset {found.name!r} grows: `iqstream datasets resume {found.id} --rate 5/s` goes on with it, "
                f"`iqstream datasets end {found.id}` ends it at what was submitted"
            )
        if rate is not None and not found.is_growing:
            raise UserError(f"--rate: dataset {found.name!r} does not grow; resume it without")
        return found, await resume(settings, pool, found.spec) if found.status == "submitting" else 0

    found, shards = _with_pool(go_on)
    if rate is not None:
        grow_until_stopped(settings, found.spec, rate, as_json=as_json)
    elif as_json:
        say_json({"dataset_id": found.id, "shards": shards})
    elif shards:
        say(f"Resumed {found.name!r}: {shards} shards more.")
    else:
        say(f"{found.name!r} was submitted whole.")


@datasets.command("end", epilog="Example: iqstream datasets end Live")
@name_argument
@json_option
def end_command(dataset: str, as_json: bool) -> None:  # noqa: FBT001
    """End a dataset that grows at what was submitted; it is complete when that is decided.

    Ctrl-C on its `iqstream generate --continuous` does the same. Here also when that one has died; one that lives ends.
    """
    settings = load_settings()

    async def end(pool: Pool) -> Dataset:
        found = await find_dataset(pool, dataset, version=SUBMITTED_VERSION)
        if not found.is_growing:
            how = "was submitted whole" if found.status in {"submitting", "running"} else f"is {found.status}"
            raise UserError(f"dataset {found.name!r} {how}: only one that grows is ended")
        return await end_growth(settings, pool, found.spec)

    ended = _with_pool(end)
    if as_json:
        say_json(plain(ended))
    else:
        say(growth_ended(ended))


def plain(dataset: Dataset) -> dict[str, Any]:
    """A dataset as JSON values."""
    values: dict[str, Any] = msgspec.to_builtins(dataset, enc_hook=str)
    return values | {"samples": str(dataset.samples)}


def _with_pool(work: Callable[[Pool], Awaitable[T]]) -> T:
    async def run() -> T:
        async with postgres_pool(load_settings()) as pool:
            return await work(pool)

    return asyncio.run(run())
