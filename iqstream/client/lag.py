"""How far consumer groups are behind, and how many workers hold a rate."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING

from iqstream.client.calls import Calls, ignore
from iqstream.lag.figures import ClusterLag
from iqstream.lag.read import check_interval, follow_lag, lag_reader, read_lag
from iqstream.lag.status import ALLOWED_BACKLOG
from iqstream.runtime.readable import Rows

if TYPE_CHECKING:
    from iqstream.lag.advise import Advice


class LagCalls(Calls):
    """`lag`, `follow_lag`, `serve_lag`, `advise`."""

    async def lag(
        self, *, groups: Sequence[str] = (), topics: Sequence[str] = (), allowed_backlog: int = ALLOWED_BACKLOG
    ) -> ClusterLag:
        """Returns how far consumer groups are behind.

        Args:
            groups: if not given, those of the three stages.
            topics: if not given, all that the groups read.
            allowed_backlog: offsets of a partition up to which its status is OK.

        Raises:
            UserError: a topic without a group that none of the stages reads.
            Failed: Kafka refuses to tell.
            Unreachable: it does not answer.
        """
        return await read_lag(self.settings, groups=groups, topics=topics, allowed_backlog=allowed_backlog)

    def follow_lag(
        self,
        *,
        groups: Sequence[str] = (),
        topics: Sequence[str] = (),
        allowed_backlog: int = ALLOWED_BACKLOG,
        interval_s: float = 2.0,
        on_outage: Callable[[str], None] = ignore,
    ) -> AsyncGenerator[ClusterLag, None]:
        """Iterates readings of the lag without end.

        Args:
            groups: if not given, those of the three stages.
            topics: if not given, all that the groups read.
            allowed_backlog: offsets of a partition up to which its status is OK.
            interval_s: seconds between two readings.
            on_outage: is told why a reading failed; the next one is tried all the same.

        Raises:
            UserError: a topic without a group that none of the stages reads, or an interval that is too short or long.
            Failed: Kafka refuses to tell.
            Unreachable: it does not answer the first time.
        """
        return follow_lag(
            self.settings,
            groups=groups,
            topics=topics,
            allowed_backlog=allowed_backlog,
            interval_s=interval_s,
            on_outage=on_outage,
        )

    async def serve_lag(
        self,
        port: int,
        *,
        groups: Sequence[str] = (),
        topics: Sequence[str] = (),
        allowed_backlog: int = ALLOWED_BACKLOG,
        interval_s: float = 10.0,
        on_served: Callable[[str], None] = ignore,
    ) -> None:
        """Serves the lag to Prometheus, on the settings' metrics host, until it is cancelled.

        Args:
            port: 0 takes any free one.
            groups: if not given, those of the three stages.
            topics: if not given, all that the groups read.
            allowed_backlog: offsets of a partition up to which its status is OK.
            interval_s: seconds between two readings.
            on_served: is told the address.

        Raises:
            UserError: the port is taken or may not be used, a topic without a group that none of the stages reads, or
                an interval that is too short or long.
            Failed: Kafka refuses to tell.
        """
        from iqstream.lag.exporter import LastReading, keep_reading
        from iqstream.runtime.metrics import serve_figures  # brings a web server

        check_interval(interval_s)
        last = LastReading()
        last.fail()
        host = self.settings.metrics_host
        async with lag_reader(self.settings, groups=groups, topics=topics, allowed_backlog=allowed_backlog) as reader:
            with serve_figures(last, host, port) as taken:
                on_served(f"http://{host}:{taken}/metrics")
                await keep_reading(reader, last, interval_s)

    async def advise(self, samples_per_s: float, metrics: Sequence[str], *, groups: Sequence[str] = ()) -> Rows[Advice]:
        """Returns how many workers of a stage hold a rate, by what their metrics say that a recording costs.

        Args:
            samples_per_s: the rate.
            metrics: addresses of workers' metrics: `http://host:port/metrics`.
            groups: of the stages to give advice for; if not given, of those that were measured.

        Raises:
            UserError: a group of which no advice can be given, or a page without a stage's figures.
            Failed: nothing was measured yet.
            Unreachable: Kafka or a metrics page does not answer.
        """
        from iqstream.lag.measure import measured_advice  # brings YAML and a parser of metrics

        return Rows(await measured_advice(self.settings, samples_per_s, groups=groups, pages=metrics))
