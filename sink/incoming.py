"""A Kafka record of `iq.features` as a message of ours, or as a dead letter that says why it is none."""

from dataclasses import dataclass

from aiokafka import ConsumerRecord

from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.runtime.fetched import UnreadableRecord
from iqstream.runtime.stages import SINK
from schemas import (
    FailureRecord,
    FeatureRecord,
    PairRecord,
    SchemaError,
    Spec,
    decode,
    failure_of_frame,
    subject_of,
)
from sink.join import Observation


class Misfit(ValueError):
    """A well-formed record that cannot belong to its dataset."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record that was understood."""

    source: ConsumerRecord
    message: Observation


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that cannot be processed, and why."""

    source: ConsumerRecord
    error: Exception
    message: FailureRecord | None = None
    """The failure of the sample that it was about, where that can be told: else it would be waited for."""


def read_record(source: ConsumerRecord) -> Incoming | DeadLetter:
    """Decodes a record; never raises for what is in it."""
    if isinstance(source, UnreadableRecord):
        return DeadLetter(source, source.error, _claimed_failure(source, source.error))
    try:
        message = decode(source.value or b"")
    except SchemaError as error:
        return DeadLetter(source, error, _claimed_failure(source, error))
    if not isinstance(message, FeatureRecord | FailureRecord | PairRecord):
        return DeadLetter(source, Misfit(f"{type(message).__name__} has no business on {source.topic}"))
    return Incoming(source, message)


def check_fit(message: Observation, spec: Spec | None, samples: SampleRanges) -> None:
    """Compares a record with the version of a dataset that it names, and the samples which that holds.

    None: there is no such dataset.

    Raises:
        Misfit: says what contradicts.
    """
    if spec is None:
        raise Misfit(
            f"there is no dataset {message.dataset_id} version {message.dataset_version} whose spec can be read"
        )
    if message.sample_idx not in samples:
        raise Misfit(
            f"sample {message.sample_idx} is not one of those that version {message.dataset_version} holds: {samples}"
        )
    if isinstance(message, FailureRecord):
        return
    network = {receiver.rx_id for receiver in spec.receivers}
    if isinstance(message, PairRecord):
        if not spec.pairs:
            raise Misfit("the dataset asks for no time differences (pairs: false)")
        strangers = {rx_id for pair in message.pairs for rx_id in (pair.receiver_a, pair.receiver_b)} - network
        if strangers:
            raise Misfit(f"receivers {', '.join(sorted(strangers))} are not of the dataset's network")
        return
    if message.receiver.rx_id not in network:
        raise Misfit(f"receiver {message.receiver.rx_id} is not of the dataset's network")
    if message.receivers_expected > len(spec.receivers):
        raise Misfit(f"expects {message.receivers_expected} receivers, the network has {len(spec.receivers)}")


def _claimed_failure(source: ConsumerRecord, error: Exception) -> FailureRecord | None:
    """None unless key and headers name a sample the way our stages do: a record of another program costs no sample."""
    if subject_of(source).dataset_version is None:
        return None
    return failure_of_frame(source, stage=SINK.name, error=error)
