"""How a listening stands, as metrics: every one in a table, and what Prometheus reads."""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from iqstream.ingest.live.given import Listened
from iqstream.runtime.metrics import MetricSpec

_RECEIVER = ("receiver",)
LISTEN_METRICS: tuple[MetricSpec, ...] = (
    MetricSpec(name="iqstream_listen_samples", kind="counter", meaning="Samples published by this command."),
    MetricSpec(name="iqstream_listen_waiting_samples", kind="gauge", meaning="Samples that are to be published."),
    MetricSpec(
        name="iqstream_listen_problems",
        kind="gauge",
        meaning="What stays wrong: a receiver given up, a recorder that stopped.",
    ),
    MetricSpec(
        name="iqstream_listen_windows",
        kind="counter",
        labels=_RECEIVER,
        meaning="Windows of a receiver, published or about to be.",
    ),
    MetricSpec(
        name="iqstream_listen_gaps",
        kind="counter",
        labels=_RECEIVER,
        meaning="Stretches of time without windows between windows.",
    ),
    MetricSpec(name="iqstream_listen_lost_seconds", kind="counter", labels=_RECEIVER, meaning="Seconds in these gaps."),
    MetricSpec(
        name="iqstream_listen_outages",
        kind="counter",
        labels=_RECEIVER,
        meaning="Times that nothing came of a receiver any more.",
    ),
)


class LastStanding(Collector):
    """What is collected: how it stood a second ago at most; nothing before it began."""

    def __init__(self) -> None:
        self._last: Listened | None = None

    def put(self, now: Listened) -> None:
        """How it stands now."""
        self._last = now

    def collect(self) -> Iterable[Metric]:
        """All metrics of the table, by receiver where they are a receiver's."""
        kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {
            spec.name: kinds[spec.kind](spec.name, spec.meaning, labels=spec.labels) for spec in LISTEN_METRICS
        }
        last = self._last
        if last is not None:
            families["iqstream_listen_samples"].add_metric((), last.published)
            families["iqstream_listen_waiting_samples"].add_metric((), last.waiting)
            families["iqstream_listen_problems"].add_metric((), len(last.problems))
            for rx_id, heard in last.receivers.items():
                families["iqstream_listen_windows"].add_metric((rx_id,), heard.windows)
                families["iqstream_listen_gaps"].add_metric((rx_id,), heard.gaps)
                families["iqstream_listen_lost_seconds"].add_metric((rx_id,), heard.lost_s)
                families["iqstream_listen_outages"].add_metric((rx_id,), heard.outages)
        return families.values()
