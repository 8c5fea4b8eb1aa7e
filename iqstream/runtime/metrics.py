"""Every metric of a stage in one table, and the endpoint that serves them."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    make_wsgi_app,
    start_http_server,
)
from prometheus_client.registry import Collector

from iqstream.runtime.errors import UserError
from iqstream.runtime.health import Pulse, with_health
from iqstream.runtime.idle_cpu import IdleCpu

IDLE_CPU = "iqstream_idle_cpu_seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """A metric by name; counters are exposed with `_total` added."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    """What its one label may say, where that is known: exposed from the start, since a rate needs its zero."""


METRICS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="iqstream_records",
        kind="counter",
        labels=("result",),
        values=("done", "failed", "skipped"),
        meaning="Input records, by result: done, failed (a dead letter) or skipped (cancelled).",
    ),
    MetricSpec(name="iqstream_emitted_records", kind="counter", labels=("topic",), meaning="Records committed."),
    MetricSpec(name="iqstream_emitted_bytes", kind="counter", labels=("topic",), meaning="Value bytes committed."),
    MetricSpec(
        name="iqstream_samples",
        kind="counter",
        labels=("outcome",),
        values=("accepted", "rejected", "failed"),
        meaning="Samples decided, by outcome (sink).",
    ),
    MetricSpec(
        name="iqstream_dropped_records",
        kind="counter",
        labels=("reason",),
        values=("decided", "duplicate", "superseded", "cancelled"),
        meaning="Records left out of the join (sink): their sample is decided, their receiver has spoken, a later "
        "generation came first, or their dataset was cancelled while they waited.",
    ),
    MetricSpec(name="iqstream_batches", kind="counter", meaning="Batches committed."),
    MetricSpec(
        name="iqstream_compute_seconds",
        kind="histogram",
        meaning="CPU time of the computation of one batch, in its thread. Waiting is not in it.",
    ),
    MetricSpec(
        name="iqstream_queue_seconds",
        kind="histogram",
        meaning="Waiting of one batch for the thread that computes: other partitions are before it.",
    ),
    MetricSpec(
        name="iqstream_commit_seconds",
        kind="histogram",
        meaning="Commit of one batch; of the sink, with the locks and reads before it.",
    ),
    MetricSpec(
        name=IDLE_CPU,
        kind="counter",
        meaning="CPU time of the process with no batch in hand; `process_cpu_seconds_total` less this is its work's.",
    ),
    MetricSpec(name="iqstream_takeovers", kind="counter", meaning="Partitions taken over, failures included."),
    MetricSpec(name="iqstream_partition_errors", kind="counter", labels=("error",), meaning="Batches undone."),
    MetricSpec(name="iqstream_partitions_owned", kind="gauge", meaning="Partitions that this worker serves."),
    MetricSpec(
        name="iqstream_paused",
        kind="gauge",
        labels=("topic",),
        meaning="1 while what becomes records of the topic waits for its readers: retention is to drop nothing unread.",
    ),
    MetricSpec(
        name="iqstream_unread_share",
        kind="gauge",
        labels=("topic",),
        meaning="Unread bytes of the topic's fullest partition over its retention.",
    ),
)


class Metrics:
    """The collectors of one process."""

    def __init__(self, stage: str) -> None:
        self.registry = CollectorRegistry()
        self._stage = stage
        kinds = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}
        self._collectors: Mapping[str, Counter | Gauge | Histogram] = {
            spec.name: kinds[spec.kind](
                spec.name,
                spec.meaning,
                ("stage", *spec.labels),
                registry=None if spec.name == IDLE_CPU else self.registry,
            )
            for spec in METRICS
        }
        for spec in METRICS:
            for value in spec.values:
                self._collectors[spec.name].labels(stage, value)
        idle_cpu = self._collectors[IDLE_CPU]
        assert isinstance(idle_cpu, Counter)  # noqa: S101  # the table says so
        self._idle_cpu = IdleCpu(idle_cpu, stage)
        self.registry.register(self._idle_cpu)
        ProcessCollector(registry=self.registry)

    def batch(self) -> AbstractContextManager[None]:
        """A batch is in hand for as long as the context lasts: what the process uses meanwhile is not idle."""
        return self._idle_cpu.batch()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Adds to a counter."""
        collector = self._collectors[name].labels(stage=self._stage, **labels)
        assert isinstance(collector, Counter)  # noqa: S101  # the table says so
        collector.inc(amount)

    def put(self, name: str, value: float, **labels: str) -> None:
        """Sets a gauge, or records one observation of a histogram."""
        collector = self._collectors[name].labels(stage=self._stage, **labels)
        if isinstance(collector, Gauge):
            collector.set(value)
        elif isinstance(collector, Histogram):
            collector.observe(value)

    def serve(self, host: str, port: int, pulse: Pulse) -> int:
        """Serves `/metrics` and `/healthz` in a thread; returns the port (a free one where 0 is asked for).

        Raises:
            UserError: the port is taken, or it or the address may not be used.
        """
        try:
            server, _thread = start_http_server(port, addr=host, registry=self.registry)
        except (OSError, OverflowError) as error:
            raise UserError(
                f"metrics cannot be served at {host}:{port}: {error}. --metrics-port names the first worker's port, of "
                "which 0 is any free one; IQSTREAM_METRICS_HOST is the address"
            ) from None
        server.set_app(with_health(make_wsgi_app(self.registry), pulse.silent_s))
        return int(server.server_port)


@contextmanager
def serve_figures(figures: Collector, host: str, port: int) -> Iterator[int]:
    """Serves `/metrics` of a command in a thread while it is entered; gives the port (a free one where 0 is asked for).

    Raises:
        UserError: the port is taken, or may not be used.
    """
    registry = CollectorRegistry()
    registry.register(figures)
    try:
        server, _thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise UserError(f"cannot listen on {host}:{port} ({error.strerror})") from None
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
