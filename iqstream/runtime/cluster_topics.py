"""The topics of a cluster: made where they are missing, and compared with what is wanted."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from iqstream.runtime.aiokafka_internals import fields_of
from iqstream.runtime.errors import Failed
from iqstream.runtime.kafka_protocol import topic_ids
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import TopicSpec, topic_specs

HARM: Mapping[str, str] = {
    "cleanup.policy": "Kafka drops all but the last record of a key, and the records of a sample have one key",
    "compression.type": "the broker compresses every batch again, and IQ does not get smaller",
    "max.message.bytes": "the broker refuses larger records, which become dead letters",
    "message.timestamp.type": "ages and times are then those of the broker's clock",
    "retention.bytes": "what is not read by then is lost",
    "retention.ms": "what is not read by then is lost",
}
"""What another setting does."""
KNOWN_WITHIN_S = 15.0
"""How long a topic that was just made may take to be known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicsReport:
    """What `ensure_topics` found and made."""

    cluster_id: str
    topic_ids: Mapping[str, UUID]
    partitions: Mapping[str, int]
    """How many each has."""
    created: tuple[str, ...]
    mismatches: tuple[str, ...]
    """A line each; nothing was changed."""


async def ensure_topics(admin: AIOKafkaAdminClient, settings: Settings) -> TopicsReport:
    """Makes the topics that are missing and compares the others with what is wanted.

    Raises:
        Failed: the broker refuses to make a topic.
    """
    wanted = topic_specs(settings)
    existing = set(await admin.list_topics())
    created = [spec for spec in wanted if spec.name not in existing]
    if created:
        await _create(admin, created, settings.replication_factor)
    cluster_id, ids = await _known_ids(admin, [spec.name for spec in wanted])
    partitions = await _partition_counts(admin, wanted)
    mismatches = await _mismatches(admin, [spec for spec in wanted if spec.name in existing], partitions)
    return TopicsReport(
        cluster_id=cluster_id,
        topic_ids=ids,
        partitions=partitions,
        created=tuple(spec.name for spec in created),
        mismatches=tuple(mismatches),
    )


async def _known_ids(admin: AIOKafkaAdminClient, names: Sequence[str]) -> tuple[str, Mapping[str, UUID]]:
    """The cluster's id and the topics'. A topic that was just made may not be known to every broker yet.

    Raises:
        Failed: one stays unknown.
    """
    deadline_s = asyncio.get_running_loop().time() + KNOWN_WITHIN_S
    while True:
        cluster_id, ids = await topic_ids(admin, list(names))
        missing = [name for name in names if name not in ids]
        if not missing:
            return cluster_id, ids
        if asyncio.get_running_loop().time() > deadline_s:
            raise Failed(f"topic {missing[0]} was made, but Kafka does not know it after {KNOWN_WITHIN_S:.0f} s")
        await asyncio.sleep(0.1)


async def _create(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec], replication_factor: int) -> None:
    response = await admin.create_topics(
        [NewTopic(spec.name, spec.partitions, replication_factor, topic_configs=dict(spec.config)) for spec in specs]
    )
    for topic in fields_of(response)["topic_errors"]:
        if (code := topic["error_code"]) not in {0, TopicAlreadyExistsError.errno}:
            why = f"{for_code(code).__name__} {topic.get('error_message') or ''}"
            raise Failed(f"topic {topic['topic']} cannot be made: {why}")


async def _partition_counts(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> dict[str, int]:
    described = await admin.describe_topics([spec.name for spec in specs])
    return {topic["topic"]: len(topic["partitions"]) for topic in described}


async def _mismatches(
    admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec], partitions: Mapping[str, int]
) -> list[str]:
    found: list[str] = []
    if not specs:
        return found
    configs = await topic_configs(admin, [spec.name for spec in specs])
    for spec in specs:
        count = partitions[spec.name]
        if count != spec.partitions:
            found.append(f"{spec.name} has {count} partitions, the settings say {spec.partitions}")
        for key, value in spec.config.items():
            actual = configs[spec.name].get(key)
            if actual != value:
                harm = f": {HARM[key]}" if key in HARM else ""
                found.append(f"{spec.name} has {key}={actual}, the settings say {value}{harm}")
    return found


async def topic_configs(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> dict[str, dict[str, str]]:
    """The settings of topics, by topic and key."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
    configs: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for resource in fields_of(response)["resources"]:
            name = resource["resource_name"]
            if code := resource["error_code"]:
                why = f"{for_code(code).__name__} {resource['error_message']}"
                raise Failed(f"settings of topic {name} cannot be read: {why}")
            configs[name] = {entry["config_names"]: entry["config_value"] for entry in resource["config_entries"]}
    return configs
