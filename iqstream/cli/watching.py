"""What `generate --watch` and `datasets watch` share: a dataset watched to its end, and the exit code."""

import asyncio

from iqstream.cli.console import Console
from iqstream.runtime.settings import Settings
from iqstream.watch.watch import require_success, watch_dataset


def watch_to_the_end(settings: Settings, dataset_id: str, *, version: int = 1, on_stderr: bool = False) -> None:
    """Shows progress until nothing more will come.

    Raises:
        Failed: every sample failed.
        Unreachable: a server does not answer at the start, or stays away for too long.
    """
    progress = asyncio.run(watch_dataset(settings, dataset_id, Console(stderr=on_stderr), version=version))
    require_success(progress.dataset)
