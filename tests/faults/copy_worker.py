"""A stage that copies records: the runtime's shell and transactions with nothing around them.

Run as `python -m tests.faults.copy_worker --slot N` with COPY_IN, COPY_OUT, COPY_GROUP and COPY_WORK_S set.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor

from iqstream.runtime.kafka import member_consumer
from iqstream.runtime.records import OutgoingRecord
from iqstream.runtime.shell import StageShell
from iqstream.runtime.transactions import Transform, transactional_ownerships
from iqstream.runtime.worker import Worker, run_worker


class Copy(Transform):
    stage = "extractor"

    def apply(self, record):
        time.sleep(float(os.environ["COPY_WORK_S"]))
        if record.value == b"bad":
            raise ValueError("asked to fail")
        if record.value.startswith(b"grow "):
            return [self._out(record, bytes(int(record.value.split()[1])))]
        return [self._out(record, record.value)]

    def fail(self, record, error):
        return [self._out(record, b"failed %d" % record.offset)]

    @staticmethod
    def _out(record, value):
        return OutgoingRecord(topic=os.environ["COPY_OUT"], key=record.key, value=value)


async def serve(worker: Worker) -> None:
    group = os.environ["COPY_GROUP"]
    consumer = member_consumer(worker.settings, group=group, instance_id=worker.instance_id(group))
    with ThreadPoolExecutor(1) as executor:
        shell = StageShell(
            consumer=consumer,
            topic=os.environ["COPY_IN"],
            own=transactional_ownerships(
                settings=worker.settings,
                group=group,
                outputs=(os.environ["COPY_OUT"],),
                transform=Copy,
                consumer=consumer,
                executor=executor,
                metrics=worker.metrics,
            ),
            batch_records=24,
            metrics=worker.metrics,
        )
        await shell.run(worker.stop)


if __name__ == "__main__":
    run_worker("copy", serve)
