"""Serves the last reading of lag to Prometheus."""

import asyncio
import logging
import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from iqstream.lag.figures import ClusterLag
from iqstream.lag.metrics import LAG_METRICS, Measured, measured
from iqstream.lag.read import LagReader
from iqstream.runtime.errors import Unreachable

log = logging.getLogger(__name__)


def exposition(lag: ClusterLag | None) -> bytes:
    """Returns a reading in Prometheus's text format; without one, that there is none."""
    registry, last = CollectorRegistry(), LastReading()
    last.put(lag) if lag is not None else last.fail()
    registry.register(last)
    return generate_latest(registry)


class LastReading(Collector):
    """What the registry collects: the figures of the last reading, or that there is none."""

    def __init__(self) -> None:
        self._figures: tuple[Measured, ...] = ()

    def put(self, lag: ClusterLag, read_s: float | None = None) -> None:
        """A reading that succeeded, and how long it took where that is known."""
        took = () if read_s is None else (Measured(name="iqstream_lag_read_seconds", labels=(), value=read_s),)
        self._figures = (*measured(lag), Measured(name="iqstream_lag_up", labels=(), value=1), *took)

    def fail(self) -> None:
        """The broker did not answer: a figure that stands still would look like a group that does."""
        self._figures = (Measured(name="iqstream_lag_up", labels=(), value=0),)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """All metrics of the table, each with the series that are known."""
        families = {spec.name: GaugeMetricFamily(spec.name, spec.meaning, labels=spec.labels) for spec in LAG_METRICS}
        for figure in self._figures:
            families[figure.name].add_metric(figure.labels, figure.value)
        return families.values()


async def keep_reading(reader: LagReader, last: LastReading, interval_s: float) -> None:
    """Reads until cancelled; a broker may be away for a while, at the start as well as later."""
    while True:
        started_s = time.monotonic()
        try:
            lag = await reader.read()
            last.put(lag, time.monotonic() - started_s)
        except Unreachable as error:
            last.fail()
            log.warning("%s Trying again.", error)
        await asyncio.sleep(max(0.0, interval_s - (time.monotonic() - started_s)))
