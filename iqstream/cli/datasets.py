"""`iqstream datasets`: what there is, how far it is, why samples failed; resuming, ending and cancelling it."""

from typing import Any

import click
import msgspec

from iqstream.catalogue.datasets import (
    Dataset,
    generated_spec,
)
from iqstream.cli.console import Console, say, say_json
from iqstream.cli.door import with_client
from iqstream.cli.growing import MAX_SAMPLES_PER_S, grow_until_stopped, growth_ended
from iqstream.cli.lazy import LazyGroup
from iqstream.cli.numbers import WholeNumber
from iqstream.cli.rate import Rate
from iqstream.cli.tables import counts_table, datasets_table, failures_table, figures_table, print_whole
from iqstream.cli.watching import watch_to_the_end
from iqstream.client.asynchronous import AsyncClient
from iqstream.runtime.typed_numbers import read_whole

name_argument = click.argument("dataset", metavar="NAME-OR-ID")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
version_option = click.option(
    "--version", type=WholeNumber(min=1), metavar="N", help="Which version.  [default: the newest that is whole]"
)
under_way_option = click.option(
    "--version", type=WholeNumber(min=1), metavar="N", help="Which version.  [default: the newest under way]"
)


class Target(click.ParamType[tuple[int | None, int | None]]):
    """`1000`, samples in all, or `+500`, samples more: (in all, more)."""

    name = "samples"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int | None, int | None]:
        """Which of both, and how many."""
        text = str(value).strip()
        try:
            number = read_whole(text)
        except ValueError:
            number = 0
        if number <= 0:
            self.fail(f"{text!r} is not a number of samples: write 1000 for so many in all, +500 for more", param, ctx)
        return (None, number) if text.startswith("+") else (number, None)


@click.group(
    cls=LazyGroup,
    modules={
        "cleanup": "dataset_upkeep",
        "delete": "dataset_upkeep",
        "export": "export",
        "plot": "pictures",
        "verify": "dataset_upkeep",
    },
    epilog="Example: iqstream datasets show 'Test IQ Generation'",
)
def datasets() -> None:
    """List, show, draw, watch, resume, extend, end, cancel, rename, describe, verify, export and delete datasets."""


@datasets.command("list", epilog="Example: iqstream datasets list")
@json_option
def list_command(as_json: bool) -> None:  # noqa: FBT001
    """List the datasets, newest first."""
    found = with_client(AsyncClient.datasets)
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
    """Show a dataset: versions, counts, why samples were rejected or failed, SNR, distances, sizes, settings."""
    report = with_client(lambda client: client.dataset(dataset, version=version))
    found, versions = report.dataset, report.versions
    if as_json:
        more = {
            "outcomes": report.outcomes,
            "failures": report.failures,
            "iq_lost": report.iq_lost,
            "versions": [one.version for one in versions],
            "figures": report.figures,
        }
        say_json(plain(found) | msgspec.to_builtins(more))
        return
    held = f", {report.held}" if len(versions) > 1 else ""
    say(f"{found.name}  ({found.id}, version {found.version}{held})  {found.status}")
    if found.description:
        say(found.description)
    if len(versions) > 1:
        print_whole(Console(), datasets_table(versions))
    print_whole(Console(), counts_table(found, report.outcomes))
    if report.failures:
        print_whole(Console(), failures_table(report.failures))
    print_whole(Console(), figures_table(report.figures))
    if report.iq_lost:
        say(f"The IQ of {found.iq_samples_lost} samples cannot be had: {report.iq_lost}")
    say(*msgspec.json.format(msgspec.json.encode(found.spec), indent=2).decode().split("\n"))


@datasets.command("watch", epilog="Example: iqstream datasets watch 'Test IQ Generation'")
@name_argument
@under_way_option
def watch(dataset: str, version: int | None) -> None:
    """Show progress until the dataset is complete; Ctrl-C leaves it running. Exit code 1 if every sample failed."""
    with_client(lambda client: watch_to_the_end(client, dataset, version=version))


@datasets.command("cancel", epilog="Example: iqstream datasets cancel 'Test IQ Generation'")
@name_argument
@under_way_option
def cancel(dataset: str, version: int | None) -> None:
    """Cancel a dataset: what is stored stays, what is not made yet never will be."""
    cancelled = with_client(lambda client: client.cancel(dataset, version=version))
    say(f"Cancelled {cancelled.name!r}.")


@datasets.command("resume", epilog="Example: iqstream datasets resume 'Test IQ Generation'")
@name_argument
@click.option(
    "--rate",
    type=Rate(MAX_SAMPLES_PER_S),
    metavar="N/s",
    help="Of a dataset that grows: continue at this rate until Ctrl-C.",
)
@json_option
def resume_command(dataset: str, rate: float | None, as_json: bool) -> None:  # noqa: FBT001
    """Submit the rest of a dataset whose submission was interrupted, or continue one that grows.

    What was submitted is kept with how far it got, in one transaction: nothing is made twice. Safe to run at any time.
    """
    if rate is not None:
        growing = with_client(lambda client: client.resume_growth(dataset))
        grow_until_stopped(generated_spec(growing), rate, as_json=as_json)
        return
    resumed = with_client(lambda client: client.resume(dataset))
    if as_json:
        say_json({"dataset_id": resumed.dataset.id, "shards": resumed.shards})
    elif resumed.shards:
        say(f"Resumed {resumed.dataset.name!r}: {resumed.shards} shards more.")
    else:
        say(f"{resumed.dataset.name!r} was submitted whole.")


@datasets.command("end", epilog="Example: iqstream datasets end Live")
@name_argument
@json_option
def end_command(dataset: str, as_json: bool) -> None:  # noqa: FBT001
    """End a dataset that grows at what was submitted; it is complete when that is decided.

    Ctrl-C on its `iqstream generate --continuous` does the same. Here also when that one has died; one that lives ends.
    """
    ended = with_client(lambda client: client.end(dataset))
    if as_json:
        say_json(plain(ended))
    else:
        say(growth_ended(ended))


@datasets.command("extend", epilog="Example: iqstream datasets extend 'Test IQ Generation' --samples 2000")
@name_argument
@click.option(
    "--samples", type=Target(), required=True, metavar="N|+N", help="How many it shall have in all; +N: how many more."
)
@json_option
def extend_command(dataset: str, samples: tuple[int | None, int | None], as_json: bool) -> None:  # noqa: FBT001
    """Make a dataset larger: the same settings, the next samples. What is stored stays as it is.

    The kept IQ is that of the first accepted samples, as if all had been asked for at once; every sample stays in its
    split. The dataset is complete again when the new samples are decided.
    """
    to, by = samples
    extended = with_client(lambda client: client.extend(dataset, to=to, by=by))
    found = extended.dataset
    if as_json:
        say_json({"dataset_id": found.id, "samples_before": extended.samples_before, "samples": found.requested})
    else:
        say(f"Extended {found.name!r} from {extended.samples_before} to {found.requested} samples.")


@datasets.command("rename", epilog="Example: iqstream datasets rename 'Test IQ Generation' 'Turin, rural'")
@name_argument
@click.argument("name", metavar="NEW-NAME")
@click.option("--reuse-name", is_flag=True, help="Rename although another dataset has the name.")
def rename_command(dataset: str, name: str, reuse_name: bool) -> None:  # noqa: FBT001
    """Give a dataset another name, in all versions. Its id stays, and with it all that is stored."""
    renamed = with_client(lambda client: client.rename(dataset, name, reuse_name=reuse_name))
    say(f"{renamed.name!r} is now {name!r}.")


@datasets.command("describe", epilog="Example: iqstream datasets describe Mine 'first network, before the move'")
@name_argument
@click.argument("text", metavar="TEXT")
def describe_command(dataset: str, text: str) -> None:
    """Note what a dataset is for; `show` prints it. An empty text removes the note."""
    described = with_client(lambda client: client.describe(dataset, text))
    say(f"Described {described.name!r}." if text else f"{described.name!r} has no description.")


def plain(dataset: Dataset) -> dict[str, Any]:
    """A dataset as JSON values."""
    values: dict[str, Any] = msgspec.to_builtins(dataset, enc_hook=str)
    return values | {"samples": str(dataset.samples)}
