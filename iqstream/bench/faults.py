"""Every kind of fault, how often it is drawn, and how long it holds."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from iqstream.bench.ground import Fault, Ground, Recovery
from iqstream.bench.server_faults import (
    fill_disk,
    kill_server,
    refuse_connections,
    refused_record,
    silent_connections,
    slow_connections,
    stop_server,
)
from iqstream.bench.worker_faults import freeze_worker, kill_stage, kill_worker, restart_stage, scale_stage
from iqstream.runtime.stages import STAGES

Inject = Callable[[Ground, Fault], Awaitable[Recovery]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of fault, how often it is drawn and how long it holds."""

    weight: float
    hold_s: tuple[float, float]
    inject: Inject


def _of_each_stage(
    what: str,
    weight: float,
    hold_s: tuple[float, float],
    inject: Callable[[str, Ground, Fault], Awaitable[Recovery]],
) -> dict[str, Kind]:
    return {f"{stage} {what}": Kind(weight=weight, hold_s=hold_s, inject=partial(inject, stage)) for stage in STAGES}


KINDS: Mapping[str, Kind] = {
    **_of_each_stage("worker killed", 12, (0, 0), kill_worker),
    **_of_each_stage("stage killed", 5, (0, 0), kill_stage),
    **_of_each_stage("worker frozen", 1.5, (1, 4), freeze_worker),
    **_of_each_stage("scaled up and down", 2, (1, 3), scale_stage),
    **_of_each_stage("restarted", 2, (0, 0), restart_stage),
    "broker killed": Kind(weight=7, hold_s=(0, 3), inject=partial(kill_server, "kafka")),
    "database killed": Kind(weight=7, hold_s=(0, 4), inject=partial(kill_server, "postgres")),
    "object store killed": Kind(weight=7, hold_s=(0, 4), inject=partial(kill_server, "s3")),
    "broker stopped": Kind(weight=4, hold_s=(0, 4), inject=partial(stop_server, "kafka")),
    "database stopped": Kind(weight=2, hold_s=(0, 4), inject=partial(stop_server, "postgres")),
    "object store stopped": Kind(weight=1, hold_s=(0, 4), inject=partial(stop_server, "s3")),
    "broker refuses connections": Kind(weight=2, hold_s=(1, 5), inject=partial(refuse_connections, "kafka")),
    "database refuses connections": Kind(weight=2, hold_s=(1, 5), inject=partial(refuse_connections, "postgres")),
    "object store refuses connections": Kind(weight=2, hold_s=(1, 5), inject=partial(refuse_connections, "s3")),
    "broker slow": Kind(weight=1.5, hold_s=(2, 6), inject=partial(slow_connections, "kafka")),
    "database slow": Kind(weight=1.5, hold_s=(2, 6), inject=partial(slow_connections, "postgres")),
    "object store slow": Kind(weight=1.5, hold_s=(2, 6), inject=partial(slow_connections, "s3")),
    "broker silent": Kind(weight=1, hold_s=(3, 12), inject=partial(silent_connections, "kafka")),
    "database silent": Kind(weight=1, hold_s=(3, 12), inject=partial(silent_connections, "postgres")),
    "broker's disk full": Kind(weight=1, hold_s=(3, 6), inject=partial(fill_disk, "kafka")),
    "database's disk full": Kind(weight=1, hold_s=(3, 6), inject=partial(fill_disk, "postgres")),
    "object store's disk full": Kind(weight=1, hold_s=(3, 6), inject=partial(fill_disk, "s3")),
    "record refused by the broker": Kind(weight=2, hold_s=(0, 0), inject=refused_record),
}
