"""What holding a rate takes, by what workers' metrics say that a recording costs."""

import asyncio
import http
import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence

from iqstream.lag.advise import ADVISED_STAGES, Advice, WorkerFigures, advise, cost_by_metrics, worker_figures
from iqstream.lag.figures import GroupLag
from iqstream.lag.read import read_lag
from iqstream.runtime.errors import Failed, Unreachable, UserError
from iqstream.runtime.settings import Settings
from iqstream.runtime.stages import Stage
from schemas.dataset import ITALY_NORTH_WEST

METRICS_TIMEOUT_S = 10.0


async def measured_advice(
    settings: Settings, samples_per_s: float, *, groups: Sequence[str], pages: Sequence[str]
) -> list[Advice]:
    """Measures what a recording costs each stage, and returns what a rate takes of it.

    Args:
        settings: where Kafka is.
        samples_per_s: the rate to hold.
        groups: of the stages; if none, those that were measured.
        pages: addresses of workers' metrics, to measure their CPU time by.

    Raises:
        UserError: a group of which no advice can be given, or a page without a stage's figures.
        Unreachable: Kafka, or a metrics page, does not answer.
        Failed: nothing was measured yet.
    """
    workers = [await asyncio.to_thread(_fetch, page) for page in pages]
    stages = advised_stages(groups, [worker.stage for worker in workers])
    reading = await read_lag(settings, groups=[stage.group for stage in stages])
    advised = []
    for stage, group in zip(stages, reading.groups, strict=True):
        if group.trouble is not None:
            raise Failed(f"group {group.group} {group.trouble}")
        cost = cost_by_metrics(workers, stage)
        if cost is None:
            raise Failed(
                f"what a recording costs the {stage.name} was not measured: give the metrics address of one of its "
                "workers that has processed recordings"
            )
        partitions = sum(len(topic.partitions) for topic in group.topics if topic.topic == stage.topic)
        if not partitions:
            raise Failed(f"topic {stage.topic} cannot be seen: `iqstream lag --group {stage.group}` says why")
        advised.append(advise(samples_per_s, _recordings_per_sample(group), cost, partitions, stage))
    return advised


def advised_stages(groups: Sequence[str], measured: Sequence[str]) -> list[Stage]:
    """The stages of the groups that were asked for; else those that were measured.

    Raises:
        UserError: another group, or nothing that was measured belongs to one that was asked for.
    """
    of_group = {stage.group: stage for stage in ADVISED_STAGES}
    names = ", ".join(of_group)
    if unknown := [group for group in groups if group not in of_group]:
        raise UserError(f"group {unknown[0]}: advice is for the stages' own groups, {names}")
    if groups:
        stages = [of_group[group] for group in dict.fromkeys(groups)]
        known = {stage.name for stage in stages}
    else:
        stages = [stage for stage in ADVISED_STAGES if stage.name in measured]
        known = {stage.name for stage in ADVISED_STAGES}
    if strange := [stage for stage in measured if stage not in known]:
        raise UserError(f"metrics of a worker of {strange[0]}: advice is for {', '.join(sorted(known))}")
    return stages


def _recordings_per_sample(group: GroupLag) -> int:
    """As the unread records say; of the default network where nothing is unread."""
    amounts = {value.unit: value.amount for topic in group.topics for value in topic.values}
    samples, recordings = amounts.get("samples", 0), amounts.get("recordings", 0)
    return max(1, round(recordings / samples)) if samples else len(ITALY_NORTH_WEST)


def _fetch(address: str) -> WorkerFigures:
    _check(address)
    try:
        with urllib.request.urlopen(address, timeout=METRICS_TIMEOUT_S) as answer:  # noqa: S310  # checked above
            page: bytes = answer.read(16 * 1024 * 1024)
    except urllib.error.HTTPError as error:
        if error.code >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unreachable(f"metrics at {address} are not available now ({error})") from None
        raise UserError(f"metrics at {address}: the server there has no such page ({error})") from None
    except (http.client.InvalidURL, ValueError) as error:
        raise UserError(f"metrics at {address}: this is no address of a page ({error})") from None
    except (http.client.HTTPException, OSError) as error:
        raise Unreachable(f"metrics at {address} do not answer ({error}): is that worker running?") from None
    try:
        found = worker_figures(page.decode())
    except ValueError:
        found = None
    if found is None:
        raise UserError(f"metrics at {address}: this is not a worker's metrics page with its CPU time")
    return found


def _check(address: str) -> None:
    """Raises UserError where nothing can be asked: another scheme, no host, or a port that there cannot be."""
    if not address.startswith(("http://", "https://")):
        raise UserError(f"metrics at {address}: an address begins with http:// or https://")
    try:
        place = urllib.parse.urlsplit(address)
        known = place.hostname and place.port != 0
    except ValueError:
        known = False
    if not known:
        raise UserError(f"metrics at {address}: this is no host with a port from 1 to 65535")
