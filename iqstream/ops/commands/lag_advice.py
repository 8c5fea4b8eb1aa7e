"""`iqstream lag --advise`: measures what a recording costs and prints what follows."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import Sequence

import click
from aiokafka.errors import KafkaError

from iqstream.ops.console import say
from iqstream.ops.lag.advise import (
    Advice,
    advice_comment,
    advise,
    cost_by_metrics,
    cost_by_velocity,
    hpa_yaml,
    keda_yaml,
)
from iqstream.ops.lag.figures import GroupLag
from iqstream.ops.lag.offsets import member_count
from iqstream.ops.lag.read import read_lag
from iqstream.runtime.errors import Failed, Unreachable
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import EXTRACTOR_GROUP
from schemas.dataset import ITALY_NORTH_WEST

METRICS_TIMEOUT_S = 10.0


class Rate(click.ParamType[float]):
    """`20/s` or `20`, samples per second."""

    name = "rate"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Samples per second of the text."""
        try:
            rate = float(str(value).removesuffix("/s"))
        except ValueError:
            rate = 0.0
        if not 0 < rate < 1e9:
            self.fail(f"{value!r} is no rate: write 20/s (samples per second)", param, ctx)
        return rate


def print_advice(settings: Settings, samples_per_s: float, pages: Sequence[str], scaler: str) -> None:
    """Prints the advice as comments and the scaler's YAML.

    Raises:
        Unreachable: Kafka, or a metrics page, does not answer.
        Failed: nothing was measured yet.
    """
    advice = asyncio.run(_advice(settings, samples_per_s, pages))
    scaling = keda_yaml(advice, settings.kafka_bootstrap) if scaler == "keda" else hpa_yaml(advice)
    say(*(advice_comment(advice) + scaling).splitlines())


async def _advice(settings: Settings, samples_per_s: float, pages: Sequence[str]) -> Advice:
    reading = await read_lag(settings, groups=[EXTRACTOR_GROUP])
    group = reading.groups[0]
    if pages:
        texts = await asyncio.gather(*(asyncio.to_thread(_fetch, page) for page in pages))
        cost = cost_by_metrics(texts)
    else:
        cost = cost_by_velocity(group, await _members(settings))
    if cost is None:
        raise Failed(
            "what a recording costs was not measured: give the address of an extractor that has worked "
            "(--metrics http://host:port/metrics; its log names it), or ask while extractors have a backlog."
        )
    partitions = sum(len(topic.partitions) for topic in group.topics)
    return advise(samples_per_s, _recordings_per_sample(group), cost, partitions)


def _recordings_per_sample(group: GroupLag) -> int:
    """As the unread frames say; of the default network where nothing is unread."""
    amounts = {value.unit: value.amount for topic in group.topics for value in topic.values}
    samples, recordings = amounts.get("samples", 0), amounts.get("recordings", 0)
    return max(1, round(recordings / samples)) if samples else len(ITALY_NORTH_WEST)


async def _members(settings: Settings) -> int:
    async with admin_client(settings) as admin:
        try:
            return await member_count(admin, EXTRACTOR_GROUP)
        except KafkaError as error:
            raise Failed(f"members of {EXTRACTOR_GROUP} cannot be read: {type(error).__name__} {error}") from None


def _fetch(address: str) -> str:
    if not address.startswith(("http://", "https://")):
        raise Failed(f"--metrics {address}: an address begins with http:// or https://")
    try:
        with urllib.request.urlopen(address, timeout=METRICS_TIMEOUT_S) as answer:  # noqa: S310  # checked above
            text: str = answer.read(16 * 1024 * 1024).decode()
            return text
    except (urllib.error.URLError, OSError, UnicodeDecodeError) as error:
        raise Unreachable(f"metrics at {address} do not answer ({error}): is that extractor running?") from None
