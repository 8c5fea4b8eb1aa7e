"""Looking for frozen workers goes on through outages, as everything does that runs beside the sink's main work."""

import pytest

from iqstream.runtime.outages import ServersAway
from sink.frozen_workers import end_transactions_of_frozen_workers


async def test_a_database_that_does_not_answer_is_an_outage_and_ends_no_worker(unused_tcp_port):
    with pytest.raises(ServersAway):
        await end_transactions_of_frozen_workers(f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/nothing")
