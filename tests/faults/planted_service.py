"""`python -m tests.faults.planted_service BUG CONDITION STAGE --workers N`: a stage whose workers have a bug."""

import asyncio
import os
import signal
import sys

from iqstream.runtime.logs import configure_logs
from iqstream.runtime.settings import load_settings
from iqstream.runtime.stages import STAGES
from iqstream.runtime.workers import supervise


async def main(bug: str, condition: str, stage: str, workers: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await supervise(
        "tests.faults.planted_worker",
        group=STAGES[stage].group,
        workers=workers,
        settings=load_settings(),
        stop=stop,
        kill=asyncio.Event(),
        environ=os.environ | {"PLANTED_BUG": bug, "PLANTED_CONDITION": condition, "PLANTED_STAGE": stage},
    )


if __name__ == "__main__":
    configure_logs("text")
    bug, condition, stage, _workers, count = sys.argv[1:]
    asyncio.run(main(bug, condition, stage, int(count)))
