"""Two hosts of one name are told apart from a group that settles."""

import logging

import pytest
from aiokafka import TopicPartition

from iqstream.runtime.member_contention import ASSIGNMENTS, WITHIN_S, MemberContention
from iqstream.runtime.metrics import Metrics
from iqstream.runtime.settings import Settings
from iqstream.runtime.shell import StageShell
from iqstream.runtime.worker import instance_id
from tests.unit.runtime.test_shell_owners import Consumer, Taking

A, B = frozenset({("t", 0), ("t", 1)}), frozenset({("t", 0)})


def told(*assignments):
    contention = MemberContention()
    return [contention.noted(assigned, now_s) for assigned, now_s in assignments]


def test_the_same_partitions_again_and_again_are_told_once_in_so_many_times():
    times = told(*((A, second * 2.0) for second in range(2 * ASSIGNMENTS)))
    assert [number for number, said in enumerate(times, 1) if said] == [ASSIGNMENTS, 2 * ASSIGNMENTS]


@pytest.mark.parametrize(
    "assignments",
    [
        [(A, n * WITHIN_S / (ASSIGNMENTS - 2)) for n in range(30)],  # now and then
        [((A, B)[n % 2], n * 1.0) for n in range(30)],  # a group that others join and leave
        [(frozenset(), n * 1.0) for n in range(30)],  # a worker that stands by
    ],
)
def test_a_group_that_settles_is_not_told_of(assignments):
    assert not any(told(*assignments))


async def test_the_log_says_what_to_do(caplog):
    shell = StageShell(
        consumer=Consumer(), topic="input", own=lambda _partition: Taking([], None), batch_records=1,
        metrics=Metrics("test"),
    )  # fmt: skip
    partition = TopicPartition("input", 0)
    for _time in range(ASSIGNMENTS):
        await shell.on_partitions_assigned({partition})
        await shell.on_partitions_revoked({partition})
    (said,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "IQSTREAM_HOST_NAME" in said.getMessage()


def test_a_host_may_be_given_a_name_for_its_members():
    servers = {"kafka_bootstrap": "", "postgres_dsn": "", "s3_endpoint": "", "s3_access_key": "", "s3_secret_key": ""}
    names = {instance_id(Settings(**servers, host_name=name), "group", 3) for name in ("", "one", "two")}
    assert len(names) == 3
    assert "group-one-3" in names
