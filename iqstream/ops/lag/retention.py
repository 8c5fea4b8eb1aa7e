"""How much of what a topic keeps is still unread: the risk that retention drops it first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from iqstream.runtime.errors import Failed
from iqstream.runtime.topics import topic_configs

Risk: TypeAlias = Literal["none", "low", "high", "losing"]
RISK_EXIT_CODES: Mapping[Risk, int] = {"none": 0, "low": 0, "high": 1, "losing": 2}

HIGH_FROM = 0.5
"""The producer stops here by itself: only other writers come beyond."""
LOSING_FROM = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """A topic's limits; None where it has none."""

    size_bytes: int | None
    """Per partition."""
    age_ms: int | None

    def unread_share(self, *, backlog: int, mean_record_bytes: float | None, time_lag_s: float | None) -> float | None:
        """The larger of unread bytes over the size limit and age of the oldest unread record over the age limit."""
        shares = []
        if self.size_bytes and mean_record_bytes is not None:
            shares.append(backlog * mean_record_bytes / self.size_bytes)
        if self.age_ms and time_lag_s is not None:
            shares.append(time_lag_s * 1000 / self.age_ms)
        return max(shares, default=None)


def risk(retention_share: float | None, expired: int) -> Risk:
    """`losing`: records were dropped unread, or are about to be; `none`: nothing is ever dropped here."""
    if expired:
        return "losing"
    if retention_share is None:
        return "none"
    return "losing" if retention_share >= LOSING_FROM else "high" if retention_share >= HIGH_FROM else "low"


async def retentions(admin: AIOKafkaAdminClient, topics: list[str]) -> Mapping[str, Retention]:
    """The limits of existing topics; empty where their settings may not be read."""
    if not topics:
        return {}
    try:
        configs = await topic_configs(admin, topics)
    except (Failed, KafkaError):
        return {}
    return {topic: _retention(config) for topic, config in configs.items()}


def _retention(config: Mapping[str, str]) -> Retention:
    if "delete" not in config.get("cleanup.policy", "delete"):
        return Retention(size_bytes=None, age_ms=None)
    return Retention(size_bytes=_limit(config.get("retention.bytes")), age_ms=_limit(config.get("retention.ms")))


def _limit(text: str | None) -> int | None:
    return int(text) if text and int(text) > 0 else None
