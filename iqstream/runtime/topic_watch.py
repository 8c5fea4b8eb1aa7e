"""Notices that a topic is gone, or was recreated under its name: then positions mean nothing and somebody must act."""

import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID

from aiokafka.errors import KafkaError

from iqstream.runtime.errors import Failed, Unreachable, UserError
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.kafka_protocol import topic_ids
from iqstream.runtime.settings import Settings

log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
ANSWER_DEADLINE_S = 10.0


async def watch_topics(settings: Settings, topics: Sequence[str]) -> None:
    """Looks at a stage's topics every two seconds until cancelled; outages of the broker are waited out.

    Raises:
        Failed: a topic is gone (seen twice, since a broker that starts may not know everything yet) or another one
            has its name; says which, and what to do.
    """
    known: dict[str, UUID] = {}
    missing_before: set[str] = set()
    while True:
        try:
            async with admin_client(settings) as admin:
                while True:
                    async with asyncio.timeout(ANSWER_DEADLINE_S):
                        _, now = await topic_ids(admin, list(topics))
                    missing = set(topics) - now.keys()
                    if lost := sorted(missing & missing_before):
                        raise Failed(_advice(lost, "does not exist"))
                    if anew := sorted(topic for topic in now.keys() & known.keys() if now[topic] != known[topic]):
                        raise Failed(_advice(anew, "was deleted and recreated"))
                    missing_before, known = missing, known | now
                    await asyncio.sleep(LOOK_EVERY_S)
        except (KafkaError, OSError, TimeoutError, Unreachable, UserError) as error:  # the members say what is wrong
            log.debug("topics cannot be checked: %s", error)
            await asyncio.sleep(LOOK_EVERY_S)


def _advice(topics: Sequence[str], what: str) -> str:
    return (
        f"topic {', '.join(topics)} {what}. What is stored in PostgreSQL and the object store stands; what was only in "
        "that topic is gone. Stop all stages, run `iqstream init`, start them again, and cancel or resubmit the "
        "datasets that were under way."
    )
