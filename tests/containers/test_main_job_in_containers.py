"""The acceptance test on Kafka, PostgreSQL and MinIO in containers: 1,000 full-size samples, verified step by step."""

import asyncio

import pytest

from tests.acceptance.test_main_job import (
    Bench,
    finished,  # noqa: F401  # the fixture, on the bench of this module
    test_every_sample_is_decided_and_the_completion_line_has_the_true_numbers,  # noqa: F401
    test_the_brokers_disk_stays_within_its_retention,  # noqa: F401
    test_the_bucket_holds_the_iq_of_the_100_accepted_samples_of_lowest_index,  # noqa: F401
    test_the_three_queries_answer_as_they_stand,  # noqa: F401
)
from tests.containers.servers import Servers, until_ready

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1500)]


class ContainerBench(Bench):
    """A folder whose settings lead to containers."""

    def __init__(self, folder, servers):
        super().__init__(folder)
        self._servers = servers
        servers.write_env(folder / ".iqstream")

    def kafka_bytes(self):
        told = self._servers.container("kafka").exec_run(["du", "-sb", "/var/lib/kafka/data"]).output
        return int(told.split()[0]) if told[:1].isdigit() else 0  # a file went while it was counted


@pytest.fixture(scope="module")
def bench(engine, tmp_path_factory):
    with Servers() as servers:
        asyncio.run(until_ready(servers.settings))
        made = ContainerBench(tmp_path_factory.mktemp("main-job"), servers)
        made.run("init")
        services = [made.start("producer", 1), made.start("extractor", 2), made.start("sink", 1)]
        try:
            yield made
        finally:
            for service in services:
                service.terminate()
            codes = [service.wait(timeout=60) for service in services]
        assert codes == [0, 0, 0]
