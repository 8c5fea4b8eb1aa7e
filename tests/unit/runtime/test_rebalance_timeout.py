"""A member that does not answer a rebalance holds up the others once."""

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
