"""A planned or executed move, as a table for people and as a document for programs."""

from pathlib import Path
from typing import Any

from rich.table import Table

from iqstream.cli.console import NOTHING_CHANGED, Console
from iqstream.cli.duration import duration
from iqstream.cli.tables import print_whole
from iqstream.positions.plan import MovePlan, PartitionMove
from iqstream.runtime.stages import SINK


def print_plan(console: Console, plan: MovePlan) -> None:
    """The move by partition, then what it touches and takes, then warnings."""
    table = Table(box=None, pad_edge=False)
    for column in ("topic", "partition"):
        table.add_column(column)
    for column in ("current", "target", "records", "expired"):
        table.add_column(column, justify="right")
    table.add_column("")
    for move in plan.moves:
        current = "-" if move.current is None else str(move.current)
        table.add_row(
            move.partition.topic,
            str(move.partition.partition),
            current,
            str(move.target),
            _records(move),
            str(move.ends.log_start),
            _direction(move),
        )
    print_whole(console, table)
    for line in _lines(plan):
        console.print(line, soft_wrap=True)


def _records(move: PartitionMove) -> str:
    return f"{move.contents.records}{'' if move.contents.read_whole else '+'}"


def _direction(move: PartitionMove) -> str:
    if move.current is None or move.target == move.current:
        return ""
    return "again" if move.again else "skipped"


def _lines(plan: MovePlan) -> list[str]:
    again = sum(move.contents.records for move in plan.moves if move.again)
    skipped = sum(move.contents.records for move in plan.moves if not move.again)
    at_least = "" if plan.counted_whole else "at least "
    lines = [f"The {plan.stage.name} reads {at_least}{again} records again and skips {at_least}{skipped}."]
    lines += [
        f"  {dataset.name or 'unknown dataset'} ({dataset.dataset_id}, version {dataset.version}, {dataset.status}): "
        f"{dataset.samples} samples"
        for dataset in plan.datasets
    ]
    if plan.samples_again:
        lines.append(_projection(plan))
    if plan.stage == SINK and plan.samples_again:
        lines.append("Samples that are decided already stay as they are: the ledger drops their records.")
    lines += [f"Warning: partition {m.partition.partition}: {warning}" for m in plan.moves for warning in m.warnings]
    if plan.position.members:
        lines.append(f"Warning: the {plan.stage.name} runs, with {len(plan.position.members)} members.")
    return lines


def _projection(plan: MovePlan) -> str:
    if plan.projected_s is None:
        return "Projected time: not known, since nothing was decided lately."
    return (
        f"Projected time: {duration(plan.projected_s)} for {plan.samples_again} samples, "
        f"at the {plan.samples_per_second:.1f} samples/s of those decided last."
    )


def ending_line(plan: MovePlan, *, executed: bool, export: Path | None) -> str:
    """What was moved, or how it is, and the way back."""
    way_back = ""
    if export is not None:
        way_back = f" The way back: iqstream replay --stage {plan.stage.name} --from-file {export} --execute"
    if not executed:
        return f"{NOTHING_CHANGED}{way_back}"
    return f"Moved {len(plan.moves)} partitions of {plan.stage.topic}.{way_back}"


def plan_document(plan: MovePlan, *, executed: bool) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "stage": plan.stage.name,
        "group": plan.stage.group,
        "executed": executed,
        "active_members": len(plan.position.members),
        "partitions": [
            {
                "topic": move.partition.topic,
                "partition": move.partition.partition,
                "current": move.current,
                "target": move.target,
                "log_start": move.ends.log_start,
                "end": move.ends.end,
                "records": move.contents.records,
                "counted_whole": move.contents.read_whole,
                "again": move.again,
                "warnings": list(move.warnings),
            }
            for move in plan.moves
        ],
        "datasets": [
            {
                "dataset_id": dataset.dataset_id,
                "version": dataset.version,
                "name": dataset.name,
                "status": dataset.status,
                "samples": dataset.samples,
            }
            for dataset in plan.datasets
        ],
        "samples_again": plan.samples_again,
        "projected_s": plan.projected_s,
    }
