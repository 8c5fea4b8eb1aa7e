"""Moving a stage: plan, write the way back, and move if asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiokafka.errors import KafkaError

from iqstream.positions.move import move, refuse_active
from iqstream.positions.offsets_file import write_offsets
from iqstream.positions.plan import MovePlan, plan_move
from iqstream.positions.target import Target
from iqstream.reach import postgres_pool
from iqstream.runtime.errors import Failed
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
    way_back: Path | None = None
    """The file that the present position is written to."""


async def move_stage(
    settings: Settings,
    asked: StageMove,
    *,
    execute: bool = False,
    force: bool = False,
    on_plan: Callable[[MovePlan], None] = lambda _plan: None,
) -> MovePlan:
    """Works out what the move means and, with `execute`, does it. The way back is written before anything moves.

    `on_plan` is given the plan before it is carried out.

    Raises:
        UserError: the target or the scope is wrong, or the stage runs and nobody forced it.
        Failed: the move could not be finished, or Kafka does not tell.
        Unreachable: Kafka or PostgreSQL does not answer.
    """
    try:
        async with postgres_pool(settings) as pool, admin_client(settings) as admin:
            plan = await plan_move(settings, admin, pool, asked.stage, asked.target, asked.partitions)
            if execute:
                refuse_active(plan, force=force)
            if asked.way_back is not None:
                write_offsets(asked.way_back, {m.partition: m.current for m in plan.moves if m.current is not None})
            on_plan(plan)
            if execute:
                await move(settings, admin, pool, plan)
    except KafkaError as error:
        raise Failed(
            f"Kafka at {settings.kafka_bootstrap} rejected the request: {type(error).__name__} {error}"
        ) from None
    return plan
