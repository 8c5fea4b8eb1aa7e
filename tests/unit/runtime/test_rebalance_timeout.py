"""A member that does not answer a rebalance holds up the others once, and comes back however long it was away."""

from types import SimpleNamespace
from unittest.mock import AsyncMock

from aiokafka.consumer.group_coordinator import GroupCoordinator

from iqstream.runtime.kafka import REBALANCE_TIMEOUT_MS, REQUEST_TIMEOUT_MS, SESSION_TIMEOUT_MS, member_consumer
from iqstream.runtime.settings import Settings
from iqstream.runtime.shell import REVOKE_DEADLINE_S

SETTINGS = Settings(kafka_bootstrap="localhost:1", postgres_dsn="", s3_endpoint="", s3_access_key="", s3_secret_key="")


async def test_a_rebalance_outlasts_giving_partitions_back_and_ends_before_a_join_is_given_up():
    consumer = member_consumer(SETTINGS, group="g", instance_id="g-host-0")
    rebalance_timeout_ms = consumer._rebalance_timeout_ms  # the client's default would be the session timeout
    await consumer.stop()
    assert rebalance_timeout_ms == REBALANCE_TIMEOUT_MS
    assert REVOKE_DEADLINE_S * 1000 + 1000 < REBALANCE_TIMEOUT_MS <= REQUEST_TIMEOUT_MS - 2000
    assert REBALANCE_TIMEOUT_MS <= SESSION_TIMEOUT_MS


async def test_a_member_joins_its_group_again_after_an_outage_of_a_day_in_which_nobody_polled():
    consumer = member_consumer(SETTINGS, group="g", instance_id="g-host-0")
    coordinator = AsyncMock(
        _max_poll_interval=consumer._max_poll_interval_ms / 1000,
        _retry_backoff_ms=1,
        _performed_join_prepare=True,
        _subscription=SimpleNamespace(subscribed_pattern=None, fetcher_idle_time=86_400.0),
        _start_heartbeat_task=lambda: None,
    )
    await consumer.stop()
    former = SimpleNamespace()
    await GroupCoordinator.ensure_active_group(coordinator, SimpleNamespace(assignment=former), former)
    coordinator._do_rejoin_group.assert_awaited_once()
