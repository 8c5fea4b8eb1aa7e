"""Processing a dataset again, and moving a stage to another position."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from iqstream.client.calls import Calls, ignore
from iqstream.positions.plan import MovePlan
from iqstream.positions.run import StageMove, move_stage
from iqstream.positions.target import Target
from iqstream.replay.results import ReplayBegun, Replayed, ReplayPlan, ReplayProgress
from iqstream.runtime.errors import UserError
from iqstream.runtime.stages import STAGES

if TYPE_CHECKING:  # brings the kernels of two stages
    from iqstream.replay.run import DatasetReplay


class ReplayCalls(Calls):
    """`plan_replay`, `replay`, `plan_move`, `move`."""

    async def plan_replay(
        self, name_or_id: str, *, version: int | None = None, samples: str | None = None, as_version: int | None = None
    ) -> ReplayPlan:
        """Returns what processing samples of a dataset again will do, and does nothing.

        Args:
            name_or_id: which dataset.
            version: of it; if not given, the newest that is whole.
            samples: ranges of indices, the last included: `"0-99,120"`; if not given, all.
            as_version: the new version that the results are stored as, beside the old; if not given, in their place.

        Raises:
            UserError: there is no such dataset, or it has no such samples.
            Unreachable: a server does not answer.
        """
        from iqstream.replay.run import plan_replay

        asked = _replay(name_or_id, version, samples, as_version)
        async with self._postgres() as pool:
            return await plan_replay(self.settings, pool, asked, tell=self._tell)

    async def replay(
        self,
        name_or_id: str,
        *,
        version: int | None = None,
        samples: str | None = None,
        as_version: int | None = None,
        workers: int | None = None,
        on_begin: Callable[[ReplayBegun], None] = ignore,
        on_progress: Callable[[ReplayProgress], None] = ignore,
    ) -> Replayed:
        """Processes samples of a dataset again; goes on with an interrupted replay of the same samples.

        The work is done by processes of its own: a script calls this under `if __name__ == "__main__"`.

        Args:
            name_or_id: which dataset.
            version: of it; if not given, the newest that is whole.
            samples: ranges of indices, the last included: `"0-99,120"`; if not given, all.
            as_version: the new version that the results are stored as, beside the old; if not given, in their place.
            workers: processes; if not given, the number of cores.
            on_begin: is given what begins.
            on_progress: is given how far it is, twice a second.

        Raises:
            UserError: no such dataset, samples or free version.
            Unreachable: a server does not answer.
            Failed: the replay could not be finished.
        """
        from iqstream.replay.run import replay_dataset

        asked = _replay(name_or_id, version, samples, as_version)
        async with self._postgres() as pool:
            return await replay_dataset(
                self.settings,
                pool,
                asked,
                workers=workers or os.cpu_count() or 1,
                tell=self._tell,
                on_begin=on_begin,
                on_progress=on_progress,
            )

    async def plan_move(
        self,
        stage: str,
        target: Target,
        *,
        partitions: Collection[int] | None = None,
        way_back: Path | None = None,
    ) -> MovePlan:
        """Returns what moving a stage to another position means, and moves nothing.

        Args:
            stage: `producer`, `extractor` or `sink`.
            target: `iqstream.ToTime(...)` or another of `iqstream.positions.target`.
            partitions: of the stage's topic; if not given, all.
            way_back: a file to write the present position to, for `ToOffsets`.

        Raises:
            UserError: there is no such stage or partition, or the target is wrong.
            Failed: the stage's topic does not exist.
            Unreachable: a server does not answer.
        """
        return await move_stage(self.settings, _move(stage, target, partitions, way_back))

    async def move(
        self,
        stage: str,
        target: Target,
        *,
        partitions: Collection[int] | None = None,
        way_back: Path | None = None,
        force: bool = False,
        on_plan: Callable[[MovePlan], None] = ignore,
    ) -> MovePlan:
        """Moves a stage to another position; returns what that meant.

        Args:
            stage: `producer`, `extractor` or `sink`.
            target: `iqstream.ToTime(...)` or another of `iqstream.positions.target`.
            partitions: of the stage's topic; if not given, all.
            way_back: a file to write the present position to beforehand, for `ToOffsets`.
            force: also while the stage runs: its workers are fenced.
            on_plan: is given the plan before it is carried out.

        Raises:
            UserError: there is no such stage or partition, the target is wrong, or the stage runs and is not forced.
            Failed: the move could not be finished.
            Unreachable: a server does not answer.
        """
        asked = _move(stage, target, partitions, way_back)
        return await move_stage(self.settings, asked, execute=True, force=force, on_plan=on_plan)


def _replay(name_or_id: str, version: int | None, samples: str | None, as_version: int | None) -> DatasetReplay:
    from iqstream.replay.run import DatasetReplay, check_version

    asked = DatasetReplay(dataset=name_or_id, version=version, samples=samples, as_version=as_version)
    check_version(asked)
    return asked


def _move(stage: str, target: Target, partitions: Collection[int] | None, way_back: Path | None) -> StageMove:
    if stage not in STAGES:
        raise UserError(f"there is no stage {stage!r}: the stages are {', '.join(STAGES)}")
    scope = None if partitions is None else frozenset(partitions)
    return StageMove(stage=STAGES[stage], target=target, partitions=scope, way_back=way_back)
