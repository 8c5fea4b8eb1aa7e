"""What `iqstream replay --stage` does: plan, show, and with --execute move."""

from dataclasses import dataclass
from pathlib import Path

from aiokafka.errors import KafkaError

from iqstream.cli.console import Console, say, say_json
from iqstream.cli.positions_report import plan_document, print_plan
from iqstream.positions.move import execute, refuse_active
from iqstream.positions.offsets_file import write_offsets
from iqstream.positions.plan import MovePlan, plan_move
from iqstream.positions.target import Target
from iqstream.reach import postgres_pool
from iqstream.runtime.errors import Failed, UserError
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.settings import Settings
from iqstream.runtime.stages import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMove:
    """What was asked for."""

    stage: Stage
    target: Target
    partitions: frozenset[int] | None
    """None: all."""
    execute: bool
    force: bool
    export: Path | None


async def move_stage(settings: Settings, asked: StageMove, *, as_json: bool) -> MovePlan:
    """Shows what the move means and, if asked for, does it. The way back is written before anything moves.

    Raises:
        UserError: the target or the scope is wrong, or the stage runs and nobody forced it.
        Failed: the move could not be finished, or Kafka does not tell.
        Unreachable: Kafka or PostgreSQL does not answer.
    """
    try:
        async with postgres_pool(settings) as pool, admin_client(settings) as admin:
            plan = await plan_move(settings, admin, pool, asked.stage, asked.target, asked.partitions)
            if asked.execute:
                refuse_active(plan, force=asked.force)
            if asked.export is not None:
                write_offsets(asked.export, {m.partition: m.current for m in plan.moves if m.current is not None})
            if not as_json:
                print_plan(Console(), plan)
            if asked.execute:
                await execute(settings, admin, pool, plan)
    except KafkaError as error:
        raise Failed(f"Kafka at {settings.kafka_bootstrap} refuses: {type(error).__name__} {error}") from None
    if as_json:
        say_json(plan_document(plan, executed=asked.execute))
    else:
        say(_ending(asked, plan))
    return plan


def parse_scope(text: str | None, stage: Stage) -> frozenset[int] | None:
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
    if not all(part.isdecimal() for part in listed.split(",")):
        raise UserError(f"--topic: {listed!r} are no partitions: write {stage.topic}:0,3")
    return frozenset(int(part) for part in listed.split(","))


def _ending(asked: StageMove, plan: MovePlan) -> str:
    way_back = ""
    if asked.export is not None:
        way_back = f" The way back: iqstream replay --stage {plan.stage.name} --from-file {asked.export} --execute"
    if not asked.execute:
        return f"Nothing was moved: add --execute to do it.{way_back}"
    return f"Moved {len(plan.moves)} partitions of {plan.stage.topic}.{way_back}"
