"""What the calls of the front door stand on: where the servers are, and whom to tell what was chosen."""

import logging
from collections.abc import Callable

from iqstream.runtime.settings import Settings

log = logging.getLogger(__name__)


class Calls:
    """Calls that belong together are a class each; `AsyncClient` has them all."""

    def __init__(self, settings: Settings, *, tell: Callable[[str], None] = log.info) -> None:
        self.settings = settings
        self._tell = tell

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kafka={self.settings.kafka_bootstrap!r})"


def ignore(_: object) -> None:
    """Takes what a call would tell where nobody asked to be told."""
