"""The exporter outlives servers that are away, and serves no old figure meanwhile."""

import asyncio

import pytest

from iqstream.lag.exporter import LastReading, keep_reading
from iqstream.lag.figures import ClusterLag
from iqstream.lag.read import check_interval
from iqstream.runtime.errors import Unreachable, UserError

READING = ClusterLag(read_at_s=0.0, groups=())


@pytest.mark.parametrize("answers", [[None], [READING, None], [None, READING, None]])
async def test_while_the_broker_is_away_at_the_start_or_later_it_goes_on_and_says_that_nothing_is_known(answers):
    ended = asyncio.Event()

    class Reader:
        readings = iter(answers)

        async def read(self):
            reading = next(self.readings, READING)
            if reading is None:
                raise Unreachable("away")
            return reading

    last, ups = LastReading(), []

    class Watched(LastReading):
        def put(self, lag, read_s):
            last.put(lag, read_s)
            ups.append(1)
            if len(ups) > len(answers):
                ended.set()

        def fail(self):
            last.fail()
            series = [(family.name, sample.value) for family in last.collect() for sample in family.samples]
            assert series == [("iqstream_lag_up", 0)]
            ups.append(0)

    task = asyncio.create_task(keep_reading(Reader(), Watched(), 0.0))
    async with asyncio.timeout(10):
        await ended.wait()
    task.cancel()
    assert ups[: len(answers) + 1] == [int(answer is not None) for answer in answers] + [1]


@pytest.mark.parametrize("interval_s", [float("nan"), float("inf"), 1e300, 0.0, -1.0])
def test_no_interval_lets_an_old_figure_stand_for_ever_or_asks_without_a_pause(interval_s):
    with pytest.raises(UserError, match="interval"):
        check_interval(interval_s)
