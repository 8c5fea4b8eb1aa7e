"""How much of what a topic keeps is still unread: the risk that retention drops it first."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from iqstream.runtime.cluster_topics import topic_configs
from iqstream.runtime.errors import Failed

Risk: TypeAlias = Literal["none", "low", "high", "losing", "unknown"]
RISK_EXIT_CODES: Mapping[Risk, int] = {"none": 0, "low": 0, "high": 1, "losing": 2, "unknown": 3}

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
        """The larger of unread bytes over the size limit and age of the oldest unread record over the age limit.

        0 where there is no limit; None as in `highest_share`.
        """
        shares: list[float | None] = []
        if self.size_bytes:
            shares.append(None if mean_record_bytes is None else backlog * mean_record_bytes / self.size_bytes)
        if self.age_ms:
            shares.append(None if time_lag_s is None else time_lag_s * 1000 / self.age_ms)
        return highest_share(shares)


def highest_share(shares: Sequence[float | None]) -> float | None:
    """The highest; 0 where there are none; None where one is not known and the others give no warning."""
    highest = max((share for share in shares if share is not None), default=0.0)
    return highest if None not in shares or highest >= HIGH_FROM else None


def risk(retention_share: float | None, expired: int | None) -> Risk:
    """`losing`: records were dropped unread, or are about to be; `none`: nothing unread can be dropped."""
    if expired:
        return "losing"
    if retention_share is None or expired is None:
        return "unknown"
    if retention_share >= HIGH_FROM:
        return "losing" if retention_share >= LOSING_FROM else "high"
    return "low" if retention_share else "none"


async def retentions(admin: AIOKafkaAdminClient, topics: list[str]) -> Mapping[str, Retention]:
    """The limits of existing topics; those whose settings may not be read are left out."""
    found = {}
    for topic in topics:
        with contextlib.suppress(Failed, KafkaError):
            configs = await topic_configs(admin, [topic])
            found[topic] = _retention(configs[topic])
    return found


def _retention(config: Mapping[str, str]) -> Retention:
    if "delete" not in config.get("cleanup.policy", "delete"):
        return Retention(size_bytes=None, age_ms=None)
    return Retention(size_bytes=_limit(config.get("retention.bytes")), age_ms=_limit(config.get("retention.ms")))


def _limit(text: str | None) -> int | None:
    return int(text) if text and int(text) > 0 else None
