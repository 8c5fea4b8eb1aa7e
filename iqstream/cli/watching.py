"""What `generate --watch` and `datasets watch` share: a dataset watched to its end, and the exit code."""

from iqstream.cli.console import Console
from iqstream.cli.watch_display import show_progress
from iqstream.client.asynchronous import AsyncClient
from iqstream.watch.event import require_success


async def watch_to_the_end(
    client: AsyncClient, dataset: str, *, version: int | None = None, on_stderr: bool = False
) -> None:
    """Shows progress until nothing more will come.

    Raises:
        Failed: every sample failed.
        Unreachable: a server does not answer at the start, or stays away for too long.
    """
    progress = await show_progress(client.watch(dataset, version=version), Console(stderr=on_stderr))
    require_success(progress.dataset)
