"""`iqstream datasets delete|verify|cleanup`: proving datasets, and getting rid of them."""

import re
import sys
from collections.abc import Sequence
from datetime import timedelta

import click
import msgspec

from iqstream.cli.console import NOTHING_CHANGED, say, say_json
from iqstream.cli.datasets import json_option, name_argument, version_option
from iqstream.cli.door import with_client
from iqstream.cli.numbers import WholeNumber
from iqstream.upkeep.cleanup import Cleanup, TopicPlan
from iqstream.verify.check import Check

SHOWN_PROBLEMS = 10
_AGE = re.compile("([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Age(click.ParamType[timedelta]):
    """`30d`, `12h`, `90m` or `45s`."""

    name = "age"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The text as a duration."""
        match = _AGE.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is not an age: write 30d, 12h, 90m or 45s", param, ctx)
        return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


@click.command("delete", epilog="Example: iqstream datasets delete 'Test IQ Generation' --execute")
@name_argument
@click.option("--execute", is_flag=True, help="Do it; without this option, only say what would be done.")
@json_option
def delete(dataset: str, execute: bool, as_json: bool) -> None:  # noqa: FBT001
    """Delete a dataset in all versions: rows, outcomes and stored IQ. A tombstone stays, by which its records that are
    still under way are recognised and skipped.

    Its records in Kafka stay until `iqstream datasets cleanup`, or until retention drops them. A deletion that was
    interrupted is finished by deleting the id again.
    """
    found = with_client(lambda client: client.plan_delete(dataset))
    document: dict[str, object] = {"executed": execute, "id": found.id, "name": found.name}
    if execute:
        removed = with_client(lambda client: client.delete(found.id))
        document |= msgspec.to_builtins(removed)
        lines = [f"Deleted {found.name!r}: {removed.rows} rows and {removed.objects} objects."]
    else:
        document |= {"status": found.status, "rows": found.accepted, "iq_samples": found.iq_samples_saved}
        would = (
            f"Would delete {found.name!r} ({found.id}, {found.status}): {found.accepted} rows and the IQ of "
            f"{found.iq_samples_saved} samples, for good"
        )
        lines = [would, NOTHING_CHANGED]
    if as_json:
        say_json(document)
    else:
        say(*lines)


@click.command("verify", epilog="Example: iqstream datasets verify 'Test IQ Generation' --recompute 100")
@name_argument
@version_option
@click.option(
    "--recompute",
    type=WholeNumber(min=0),
    default=20,
    show_default=True,
    metavar="N",
    help="Decided samples to make again from their recordings; the same ones each time.",
)
@json_option
def verify(dataset: str, version: int | None, recompute: int, as_json: bool) -> None:  # noqa: FBT001
    """Prove a dataset against its lineage; exit code 1 and the names of what differs if it is not what it claims.

    Counters against outcomes; each accepted sample's row with its id, spec and lineage; each stored object against
    the recording it came from, whose frame Kafka still has or which is synthesised again, proved by its crc32; and a
    choice of samples extracted and judged once more from their recordings, compared to the last bit. Nothing is
    changed.
    """

    def show(check: Check) -> None:
        if not as_json:
            _print_check(check)

    proved = with_client(lambda client: client.verify(dataset, version=version, recompute=recompute, on_check=show))
    found, checks, holds = proved.dataset, proved.checks, proved.holds
    if as_json:
        say_json({"id": found.id, "version": found.version, "holds": holds, "checks": msgspec.to_builtins(checks)})
    elif holds:
        say(f"{found.name!r} version {found.version} matches its lineage.")
    else:
        problems = sum(len(check.problems) for check in checks)
        say(f"{found.name!r} version {found.version} differs from its lineage in {problems} places.")
    sys.exit(0 if holds else 1)


def _print_check(check: Check) -> None:
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
@click.option("--execute", is_flag=True, help="Do it; without this option, only say what would be done.")
@json_option
def cleanup(older_than: timedelta | None, execute: bool, as_json: bool) -> None:  # noqa: FBT001
    """Free what deleted and old datasets take up: rows, objects, and their records in Kafka.

    Kafka drops records from the start of a partition only. They go up to what the topic's group has committed, and
    never a record that a dataset still needs: jobs and frames while a dataset is being made (recordings as long as it
    is there; no frames for one whose features alone are published), features as long as it is there, since training
    reads them. What stays is left to the topic's retention.
    """
    done = with_client(
        lambda client: client.cleanup(older_than=older_than) if execute else client.plan_cleanup(older_than=older_than)
    )
    if as_json:
        say_json(
            {
                "executed": done.executed,
                "datasets": msgspec.to_builtins(done.datasets),
                "topics": [_plan_document(plan) for plan in done.topics],
            }
        )
    else:
        say(*_cleanup_lines(done))


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


def _cleanup_lines(done: Cleanup) -> Sequence[str]:
    did = "Deleted" if done.executed else "Would delete"
    lines = [
        f"{did} {one.status} dataset {one.name!r} ({one.id}): {one.rows} rows, {one.objects} objects"
        for one in done.datasets
    ]
    for topic in done.topics:
        why = f"needed by {topic.needed_by!r}" if topic.needed_by else "not read yet"
        left = f"; {topic.stays} are left to retention ({why})" if topic.stays else ""
        lines.append(f"{did} {topic.goes} offsets of {topic.topic}{left}")
    if not done.executed:
        lines.append(NOTHING_CHANGED)
    return lines
