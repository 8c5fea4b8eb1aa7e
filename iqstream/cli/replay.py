"""`iqstream replay`: a dataset again, or a stage from another position."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from iqstream.cli.console import NOTHING_CHANGED, Console, say, say_json
from iqstream.cli.door import with_client
from iqstream.cli.numbers import WholeNumber
from iqstream.cli.positions_report import ending_line, print_plan
from iqstream.cli.positions_report import plan_document as move_document
from iqstream.cli.replay_display import ReplayDisplays
from iqstream.cli.replay_report import beginning_line, plan_document, plan_lines, result_document, result_lines
from iqstream.cli.times import parse_duration, parse_instant
from iqstream.client.asynchronous import AsyncClient
from iqstream.positions.offsets_file import read_offsets
from iqstream.positions.plan import MovePlan
from iqstream.positions.target import (
    ShiftBy,
    Target,
    ToCurrent,
    ToEarliest,
    ToLatest,
    ToOffset,
    ToOffsets,
    ToTime,
)
from iqstream.replay.results import ReplayBegun
from iqstream.runtime.errors import UserError
from iqstream.runtime.stages import STAGES, Stage
from iqstream.runtime.typed_numbers import read_whole

_TARGETS = (
    "to_earliest", "to_latest", "to_current", "to_offset", "shift_by", "to_datetime", "by_duration", "from_file",
)  # fmt: skip
_OF_STAGE = (*_TARGETS, "topic", "force", "export")
_OF_DATASET = ("version", "samples", "as_version", "workers")

EXAMPLES = """\b
Examples:
  iqstream replay --dataset 'Test IQ Generation'
  iqstream replay --dataset 'Test IQ Generation' --samples 0-99 --as-version 2 --execute
  iqstream replay --stage extractor --to-datetime 2026-11-25T14:30:00Z
  iqstream replay --stage extractor --by-duration PT30M --export back.csv --execute
  iqstream replay --stage extractor --from-file back.csv --execute
"""  # \b is click's mark for text that is not to be rewrapped


@click.command(epilog=EXAMPLES)
@click.option("--dataset", metavar="NAME-OR-ID", help="Process this dataset again.")
@click.option(
    "--version", type=WholeNumber(min=1), metavar="N", help="Of the dataset.  [default: the newest that is whole]"
)
@click.option("--samples", metavar="A-B[,C-D]", help="Only these samples, the last included.  [default: all]")
@click.option(
    "--as-version", type=WholeNumber(min=2), metavar="N", help="Store the results as this version, beside the old."
)
@click.option("--workers", type=WholeNumber(min=1), metavar="N", help="Processes.  [default: the number of cores]")
@click.option("--stage", type=click.Choice(list(STAGES)), help="Move this stage to another position.")
@click.option("--to-earliest", is_flag=True, help="To the first record that is still there.")
@click.option("--to-latest", is_flag=True, help="To the end.")
@click.option("--to-current", is_flag=True, help="To its present position; useful with --export.")
@click.option("--to-offset", type=WholeNumber(min=0), metavar="N", help="To this offset.")
@click.option("--shift-by", type=WholeNumber(), metavar="N", help="Forward by N offsets, backward if negative.")
@click.option("--to-datetime", metavar="T", help="To the first record of a time with zone: 2026-11-25T14:30:00Z.")
@click.option("--by-duration", metavar="PnDTnHnMnS", help="To the first record of so long ago: PT30M, P1D.")
@click.option(
    "--from-file", type=click.Path(dir_okay=False, path_type=Path), metavar="CSV", help="To the offsets of a file."
)
@click.option("--topic", metavar="NAME[:p,p]", help="Only these partitions of the stage's topic.  [default: all]")
@click.option("--export", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the way back.")
@click.option("--execute", is_flag=True, help="Do it; without this option, only say what would be done.")
@click.option("--force", is_flag=True, help="Move a stage that runs: its workers are fenced.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan or the result as JSON.")
def replay(*, dataset: str | None, stage: str | None, as_json: bool, **options: Any) -> None:  # noqa: ANN401  # by their names
    """Process a dataset again, or move a stage to another position on the topic that it reads.

    Without --execute it shows what would be done, and does nothing.

    --dataset makes the records of a dataset once more, from its frames as far as Kafka has them, else from its
    spec, and moves no stage: rows are rewritten in place, or stored beside the old ones as a new version.

    --stage with one of --to-earliest, --to-latest, --to-current, --to-offset, --shift-by, --to-datetime,
    --by-duration and --from-file moves a stage.
    """
    if (dataset is None) == (stage is None):
        raise UserError("either --dataset, to process a dataset again, or --stage, to move a stage: see --help")
    if dataset is not None:
        _refuse(options, _OF_STAGE, "--stage")
        _replay_dataset(dataset, options, as_json=as_json)
    else:
        _refuse(options, _OF_DATASET, "--dataset")
        _move_stage(STAGES[str(stage)], options, as_json=as_json)


def _refuse(options: Mapping[str, Any], names: tuple[str, ...], belongs_to: str) -> None:
    for name in names:
        if _is_given(options[name]):
            raise UserError(f"{_flag(name)} goes with {belongs_to}")


def _replay_dataset(dataset: str, options: Mapping[str, Any], *, as_json: bool) -> None:
    asked = {
        "version": options["version"],
        "samples": options["samples"],
        "as_version": options["as_version"],
    }
    if asked["as_version"] is not None and asked["as_version"] == asked["version"]:
        raise UserError("--as-version is --version: leave --as-version out to process that version again in place")
    if not options["execute"]:
        plan = with_client(lambda client: client.plan_replay(dataset, **asked))
        if as_json:
            say_json({"executed": False, **plan_document(plan)})
        else:
            say(*plan_lines(plan), NOTHING_CHANGED)
        return
    with ReplayDisplays(Console(stderr=True)) as displays:

        def begin(begun: ReplayBegun) -> None:
            say(beginning_line(begun), err=True)
            displays.begin()

        done = with_client(
            lambda client: client.replay(
                dataset, **asked, workers=options["workers"], on_begin=begin, on_progress=displays.show
            )
        )
    if as_json:
        say_json({"executed": True, **result_document(done)})
    else:
        say(*result_lines(done))


def _move_stage(stage: Stage, options: Mapping[str, Any], *, as_json: bool) -> None:
    given = [name for name in _TARGETS if _is_given(options[name])]
    if len(given) != 1:
        found = "none" if not given else " and ".join(map(_flag, given))
        raise UserError(f"--stage needs exactly one of {', '.join(map(_flag, _TARGETS))}; there is {found}")
    if options["force"] and not options["execute"]:
        raise UserError("--force goes with --execute: without it nothing is moved")
    target, execute, export = _target(stage, options), options["execute"], options["export"]
    partitions = _partitions(options["topic"], stage)

    def show(plan: MovePlan) -> None:
        if not as_json:
            print_plan(Console(), plan)

    async def run(client: AsyncClient) -> MovePlan:
        if execute:
            return await client.move(
                stage.name, target, partitions=partitions, way_back=export, force=options["force"], on_plan=show
            )
        plan = await client.plan_move(stage.name, target, partitions=partitions, way_back=export)
        show(plan)
        return plan

    plan = with_client(run)
    if as_json:
        say_json(move_document(plan, executed=execute))
    else:
        say(ending_line(plan, executed=execute, export=export))


def _partitions(text: str | None, stage: Stage) -> frozenset[int] | None:
    """The partitions of `NAME` or `NAME:p,p`; None for all.

    Raises:
        UserError: another topic, or no partitions.
    """
    if text is None:
        return None
    topic, colon, listed = text.partition(":")
    if topic != stage.topic:
        raise UserError(f"--topic: the {stage.name} reads {stage.topic}, not {topic}")
    if not colon:
        return None
    try:
        partitions = frozenset(map(read_whole, listed.split(",")))
    except ValueError:
        raise UserError(f"--topic: {listed!r} is not a list of partitions: write {stage.topic}:0,3") from None
    return partitions


def _target(stage: Stage, options: Mapping[str, Any]) -> Target:
    if options["to_offset"] is not None:
        return ToOffset(options["to_offset"])
    if options["shift_by"] is not None:
        return ShiftBy(options["shift_by"])
    if options["to_datetime"] is not None:
        return ToTime(parse_instant(options["to_datetime"]))
    if options["by_duration"] is not None:
        return ToTime(datetime.now(UTC) - parse_duration(options["by_duration"]))
    if options["from_file"] is not None:
        return ToOffsets(read_offsets(options["from_file"], group=stage.group, topic=stage.topic))
    return ToEarliest() if options["to_earliest"] else ToLatest() if options["to_latest"] else ToCurrent()


def _is_given(value: object) -> bool:
    return value is not None and value is not False  # 0 is an offset


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
