"""Topics of feature records made for one test, as the extractor would leave them: committed, aborted, interleaved."""

from uuid import uuid4

from aiokafka.admin import NewTopic

from iqstream.runtime.kafka import admin_client
from schemas import Limits, encode, headers, sample_key
from tests.integration.transactions import settling_producer
from tests.sink_samples import make_spec, whole_sample

LIMITS = Limits()
ABORTED_SAMPLE = 10_000


async def make_topic(settings, *, partitions=5):
    """A topic of its own; its name."""
    topic = f"test.features.{uuid4().hex[:8]}"
    async with admin_client(settings) as admin:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
    return topic


async def publish(settings, topic, records, *, abort=False):
    """Records in one transaction, in their order."""
    async with settling_producer(settings) as producer:
        await producer.begin_transaction()
        sent = [
            await producer.send(
                topic, encode(record), key=sample_key(record.dataset_id, record.sample_idx), headers=headers(record)
            )
            for record in records
        ]
        for acknowledged in sent:
            await acknowledged
        await (producer.abort_transaction() if abort else producer.commit_transaction())


async def filled_topic(settings, samples, *, partitions=5, spec=None):
    """A topic with whole samples in several transactions, an aborted one between each two."""
    spec = spec or make_spec(samples=samples, receivers=3)
    topic = await make_topic(settings, partitions=partitions)
    step = -(-samples // 6)
    for first in range(0, samples, step):
        indices = range(first, min(first + step, samples))
        # receiver by receiver, so that neighbouring samples interleave
        by_sample = [whole_sample(spec, index) for index in indices]
        await publish(settings, topic, [record for together in zip(*by_sample, strict=True) for record in together])
        await publish(settings, topic, whole_sample(make_spec(receivers=3), ABORTED_SAMPLE), abort=True)
    return topic, spec
