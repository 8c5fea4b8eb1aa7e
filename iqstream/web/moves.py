"""The API's operations that move a stage to another position: what that means first, then the move."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from msgspec import Meta

from iqstream.client.asynchronous import AsyncClient
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
from iqstream.runtime.errors import Failed, NotFound, Unreachable
from iqstream.runtime.outages import NamelessOutage
from iqstream.runtime.stages import STAGES, Stage
from iqstream.web.documents import Document
from iqstream.web.operations import Asked
from iqstream.web.problems import Refusal, problem_of

To = Literal["current", "earliest", "latest", "time", "ago", "offset", "shift", "offsets"]
Offset = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class MoveQuery(Document, frozen=True, kw_only=True):
    """Where a stage is to go on from."""

    to: To = "current"
    """With `time`, `ago`, `offset`, `shift` and `offsets` the field of that name is needed."""
    time: Annotated[datetime, Meta(tz=True)] | None = None
    """To the first record of this time or later."""
    ago: Annotated[float, Meta(gt=0, le=1e6)] | None = None
    """Minutes: to the first record of so long ago."""
    offset: Offset | None = None
    """On every partition."""
    shift: Annotated[int, Meta(ge=-(2**62), le=2**62)] | None = None
    """Forward by so many offsets; backward where negative."""
    offsets: Annotated[str, Meta(pattern=r"^([0-9]{1,5}:[0-9]{1,18}(,[0-9]{1,5}:[0-9]{1,18}){0,999})?$(?!\n)")] = ""
    """By partition, as `0:128,1:130`; the others stay."""
    partitions: Annotated[str, Meta(pattern=r"^([0-9]{1,5}(,[0-9]{1,5}){0,999})?$(?!\n)")] = ""
    """Only these, as `0,3`; if not given, all."""


class MoveOrder(MoveQuery, frozen=True, kw_only=True):
    """A move, and whether it is forced."""

    force: bool = False
    """Also while the stage runs: its workers are fenced."""


class PartitionMoveDocument(Document, frozen=True, kw_only=True):
    """One partition: from where to where."""

    partition: int
    current: int | None
    target: int
    log_start: int
    """The first offset that is still there."""
    end: int
    """The end of what can be read."""
    records: int
    """Between both."""
    again: bool
    """Whether they are read again, and not skipped."""
    counted_whole: bool
    """Whether all of them were counted; else there are more."""
    warnings: list[str]


class TouchedDocument(Document, frozen=True, kw_only=True):
    """A dataset with samples between the old position and the new one."""

    dataset_id: str
    version: int
    name: str
    status: str
    samples: int


class MovePlanDocument(Document, frozen=True, kw_only=True):
    """What a move means."""

    stage: str
    group: str
    topic: str
    moved: bool
    """Whether it was done."""
    members: list[str]
    """Workers of the stage: it runs where there are any."""
    partitions: list[PartitionMoveDocument]
    datasets: list[TouchedDocument]
    samples_again: int
    """Samples that are read again, as far as they could be counted."""
    projected_s: float | None
    """How long the way back to where it stands will take; null: not known."""
    way_there: str
    """The same targets as `offsets`."""
    way_back: str
    """Where it stood, as `offsets`; a partition without a position is left out."""


_HALF_WAY: tuple[type[Exception], ...] = (Failed, Unreachable, *NamelessOutage)


class HalfMoved(Refusal):
    """A move that failed after it had begun."""

    def __init__(self, error: Exception, way_back: str) -> None:
        problem = problem_of(error)
        stood = f"{problem.detail}; before the move it stood at {way_back}" if way_back else problem.detail
        super().__init__(problem.status, stood)
        self.way_back = way_back
        """Where it stood, as `offsets`."""


def way_back_of(plan: MovePlan) -> str:
    """Returns where a stage stood, as `offsets`; a partition without a position is left out."""
    return ",".join(f"{one.partition.partition}:{one.current}" for one in plan.moves if one.current is not None)


def move_document(plan: MovePlan, *, moved: bool) -> MovePlanDocument:
    """Returns a move as the API shows it."""
    return MovePlanDocument(
        stage=plan.stage.name,
        group=plan.stage.group,
        topic=plan.stage.topic,
        moved=moved,
        members=list(plan.position.members),
        partitions=[
            PartitionMoveDocument(
                partition=one.partition.partition,
                current=one.current,
                target=one.target,
                log_start=one.ends.log_start,
                end=one.ends.end,
                records=one.contents.records,
                again=one.again,
                counted_whole=one.contents.read_whole,
                warnings=list(one.warnings),
            )
            for one in plan.moves
        ],
        datasets=[
            TouchedDocument(**{name: getattr(one, name) for name in TouchedDocument.__struct_fields__})
            for one in plan.datasets
        ],
        samples_again=plan.samples_again,
        projected_s=plan.projected_s,
        way_there=",".join(f"{one.partition.partition}:{one.target}" for one in plan.moves),
        way_back=way_back_of(plan),
    )


def stage_of(name: str) -> Stage:
    """Returns the stage of a name.

    Raises:
        NotFound: there is none.
    """
    if name not in STAGES:
        raise NotFound(f"there is no stage {name!r}: the stages are {', '.join(STAGES)}")
    return STAGES[name]


def target_of(query: MoveQuery, stage: Stage) -> Target:
    """Returns where a query leads to.

    Raises:
        Refusal: the field that it needs is not given.
    """
    found: Target | None = None
    match query:
        case MoveQuery(to="current"):
            found = ToCurrent()
        case MoveQuery(to="earliest"):
            found = ToEarliest()
        case MoveQuery(to="latest"):
            found = ToLatest()
        case MoveQuery(to="time", time=datetime() as at):
            found = ToTime(at)
        case MoveQuery(to="ago", ago=float() as minutes):
            found = ToTime(datetime.now(UTC) - timedelta(minutes=minutes))
        case MoveQuery(to="offset", offset=int() as offset):
            found = ToOffset(offset)
        case MoveQuery(to="shift", shift=int() as offsets):
            found = ShiftBy(offsets)
        case MoveQuery(to="offsets", offsets=str() as listed) if listed:
            found = _to_offsets(listed, stage.topic)
    if found is None:
        raise Refusal(422, f"{query.to}: it has to be given where `to` is `{query.to}`")
    return found


def _to_offsets(listed: str, topic: str) -> ToOffsets:
    pairs = [one.split(":") for one in listed.split(",")]
    offsets = {int(partition): int(offset) for partition, offset in pairs}
    if len(offsets) < len(pairs):
        raise Refusal(422, "offsets: a partition is listed twice")
    return ToOffsets.on(topic, offsets)


def _partitions(query: MoveQuery) -> frozenset[int] | None:
    return frozenset(map(int, query.partitions.split(","))) if query.partitions else None


async def plan_of(client: AsyncClient, one: asyncio.Semaphore, stage: Stage, query: MoveQuery) -> MovePlanDocument:
    """Returns what a move means; moves nothing. What lies between is read, for 10 s at most, one plan at a time.

    Raises:
        Refusal, UserError, Failed, Unreachable: as `target_of` and `AsyncClient.plan_move`.
    """
    target = target_of(query, stage)
    async with one:
        plan = await client.plan_move(stage.name, target, partitions=_partitions(query))
    return move_document(plan, moved=False)


async def do_move(client: AsyncClient, one: asyncio.Lock, stage: Stage, order: MoveOrder) -> MovePlanDocument:
    """Moves a stage, one at a time; returns what that meant.

    Raises:
        HalfMoved: it failed after it had begun; some partitions may be moved.
        Refusal, UserError, Failed, Unreachable: as `target_of` and `AsyncClient.move`.
    """
    target = target_of(order, stage)
    begun: list[MovePlan] = []
    async with one:
        try:
            plan = await client.move(
                stage.name, target, partitions=_partitions(order), force=order.force, on_plan=begun.append
            )
        except _HALF_WAY as error:
            if begun:
                raise HalfMoved(error, way_back_of(begun[0])) from error
            raise
    return move_document(plan, moved=True)


async def plan_move(asked: Asked) -> MovePlanDocument:
    return await plan_of(asked.client, asked.state.reading, stage_of(asked.request.path_params["stage"]), asked.query)


async def move(asked: Asked) -> MovePlanDocument:
    return await do_move(asked.client, asked.state.moving, stage_of(asked.request.path_params["stage"]), asked.body)
