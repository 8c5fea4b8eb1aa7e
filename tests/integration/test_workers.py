"""A service's workers: restarted when they die, gone when it dies, told apart on one host."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from iqstream.runtime.metrics import METRICS
from iqstream.runtime.workers import take_slots
from tests.integration.pipeline import Pipeline

pytestmark = pytest.mark.stack


@pytest.fixture
def service(settings, tmp_path):
    pipeline = Pipeline(settings, tmp_path / "stages.log", workers=2, standby=True)
    pipeline.start("extractor")
    yield pipeline
    if "extractor" in pipeline.services:
        pipeline.services["extractor"].send_signal(signal.SIGCONT)
        pipeline.stop()


def until(true, what, deadline_s=60):
    ends_at = time.monotonic() + deadline_s
    while not true():
        assert time.monotonic() < ends_at, f"never so: {what}"
        time.sleep(0.05)


def workers_of(pipeline):
    """Those at work; one more stands by."""
    return [process for process in children_of(pipeline) if re.fullmatch(r"extractor-\d+", name_of(process))]


def standing_by(pipeline):
    return [process for process in children_of(pipeline) if name_of(process) == "extractor-next"]


def name_of(process):
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def children_of(pipeline):
    return psutil.Process(pipeline.services["extractor"].pid).children()


def sigterm_is_pending(process):
    """Sent to a process that is stopped, and so not acted on yet."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return bool(int(re.search(r"^ShdPnd:\s*([0-9a-f]+)$", status, re.MULTILINE)[1], 16) >> (signal.SIGTERM - 1) & 1)


def metrics_ports(pipeline):
    """Of the workers that are at work now and answer signals, by pid."""
    told = pipeline.log.read_text() if pipeline.log.exists() else ""
    started = re.findall(r"extractor worker \d+ starts .*?pid=(\d+) metrics_port=(\d+)", told)
    at_work = {worker.pid for worker in workers_of(pipeline)}
    return {int(pid): int(port) for pid, port in started if int(pid) in at_work}


def test_a_killed_worker_is_replaced_and_the_other_one_left_alone(service):
    until(lambda: len(workers_of(service)) == 2, "two workers")
    killed, other = workers_of(service)
    killed.kill()
    until(lambda: len(workers_of(service)) == 2 and killed not in workers_of(service), "a new worker")
    assert other in workers_of(service)


def test_the_one_that_stood_by_takes_the_place_of_a_killed_worker(service):
    until(lambda: len(workers_of(service)) == 2, "two workers")
    until(lambda: standing_by(service), "one that stands by, with everything imported")
    (waiting,) = standing_by(service)
    killed = workers_of(service)[0]
    place = killed.name()
    killed.kill()
    until(lambda: name_of(waiting) == place, "it is in the killed one's slot")


def test_kill_9_of_the_service_leaves_no_worker(service):
    until(lambda: len(workers_of(service)) == 2, "two workers")
    until(lambda: standing_by(service), "one that stands by")
    orphans = children_of(service)
    service.services["extractor"].kill()
    service.services.pop("extractor").wait()
    _, alive = psutil.wait_procs(orphans, timeout=30)
    assert not alive


def test_sigterm_ends_service_and_workers_with_exit_0(service):
    until(lambda: len(metrics_ports(service)) == 2, "both workers have started")
    workers = workers_of(service)
    assert service.stop() == {"extractor": 0}
    assert not any(worker.is_running() for worker in workers)


def test_a_second_sigterm_ends_everything_at_once(service):
    until(lambda: len(metrics_ports(service)) == 2, "both workers have started")
    workers = workers_of(service)
    for worker in workers:
        worker.suspend()  # they could not stop in good order
    until(lambda: all(worker.status() == psutil.STATUS_STOPPED for worker in workers), "both stand still")
    process = service.services.pop("extractor")
    process.send_signal(signal.SIGTERM)
    until(lambda: all(map(sigterm_is_pending, workers)), "the first one was passed on")
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)
    assert not psutil.wait_procs(workers, timeout=30)[1]


def test_every_worker_serves_its_metrics_under_the_names_of_the_table(service):
    until(lambda: len(metrics_ports(service)) == 2, "both workers have started")
    ports = set(metrics_ports(service).values())
    assert len(ports) == 2
    for port in ports:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            served = answer.read().decode()
        for spec in METRICS:
            assert f"# TYPE {spec.name}" in served
        assert "NaN" not in served


def test_two_services_on_one_host_never_share_a_slot(tmp_path):
    scope = f"test-{os.getpid()}"
    first, second = take_slots(scope, 2), take_slots(scope, 3)
    try:
        assert [slot.number for slot in first] == [0, 1]
        assert [slot.number for slot in second] == [2, 3, 4]
        os.close(first[0].lock_fd)
        again = take_slots(scope, 1)
        assert [slot.number for slot in again] == [0]
        os.close(again[0].lock_fd)
    finally:
        for slot in (*first[1:], *second):
            os.close(slot.lock_fd)


def test_without_a_broker_a_stage_says_so_and_exits_3(settings):
    environment = os.environ | {"IQSTREAM_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    for name in ("POSTGRES_DSN", "S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY"):
        environment[f"IQSTREAM_{name}"] = getattr(settings, name.lower())
    ended = subprocess.run(
        [sys.executable, "-m", "iqstream", "producer"],
        check=False,
        env=environment,
        capture_output=True,
        timeout=60,
        text=True,
    )
    assert ended.returncode == 3
    assert "Kafka at 127.0.0.1:1 does not answer" in ended.stderr
    assert "iqstream up" in ended.stderr
    assert "Traceback" not in ended.stderr
