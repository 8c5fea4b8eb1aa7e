"""Extending a finite dataset: the same spec, the next indices, each submitted once."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from iqstream.catalogue.datasets import OPEN, Dataset, generated_spec
from iqstream.catalogue.extended import begin_extension
from iqstream.catalogue.postgres import Pool
from iqstream.runtime.errors import Conflict, UserError
from iqstream.runtime.readable import Readable
from iqstream.runtime.settings import Settings
from iqstream.submit.publishable import check_publishable
from iqstream.submit.room import check_room_for
from iqstream.submit.submission import resume
from producer.version import GENERATOR_VERSION
from schemas.dataset import MAX_SAMPLES


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Extended(Readable):
    """A dataset that was extended."""

    dataset: Dataset
    """As it is now."""
    samples_before: int


async def extend_dataset(settings: Settings, pool: Pool, dataset: Dataset, samples: int) -> Extended:
    """Submits the samples of a dataset from its last one up to `samples` in all.

    Interrupted, it is gone on with as any submission: `resume`. What is decided stays as it is.

    Raises:
        UserError: the dataset cannot be extended, or not to so many; says why and what would be right.
        Unreachable: a server does not answer.
    """
    check_extendable(dataset)
    more = samples - dataset.requested
    if more <= 0:
        raise Conflict(
            f"--samples {samples}: dataset {dataset.name!r} has {dataset.requested} samples already, and --samples is "
            f"how many it shall have in all. --samples +{samples} adds {samples} to them"
        )
    if samples > MAX_SAMPLES:
        raise UserError(f"--samples {samples}: a dataset has at most {MAX_SAMPLES} samples")
    spec = msgspec.structs.replace(generated_spec(dataset), samples=samples)
    room = msgspec.structs.replace(spec, samples=more, iq_samples=dataset.iq_samples - dataset.iq_samples_saved)
    check_room_for(room, settings)
    await check_publishable(settings, spec)
    extended = await begin_extension(pool, dataset, samples)
    await resume(settings, pool, spec, known_samples=dataset.requested)
    return Extended(dataset=extended, samples_before=dataset.requested)


def check_extendable(dataset: Dataset) -> None:
    """Raises UserError unless more samples of a dataset can be made as the others were; says what to do instead."""
    named = f"dataset {dataset.name!r}"
    generated_spec(dataset)
    if dataset.is_growing:
        raise Conflict(
            f"{named} grows: `iqstream datasets resume {dataset.id} --rate 5/s` continues it, "
            f"`iqstream datasets end {dataset.id}` ends it; then it can be extended"
        )
    if dataset.status == "submitting":
        raise Conflict(
            f"{named} is not submitted whole: `iqstream datasets resume {dataset.id}` submits the rest; "
            "then it can be extended"
        )
    if dataset.status not in {*OPEN, "complete"}:
        raise Conflict(f"{named} is {dataset.status}: only one that runs or is complete can be extended")
    if dataset.spec.generator_version != GENERATOR_VERSION:
        raise Conflict(
            f"{named} was made by generator {dataset.spec.generator_version!r}, and this is {GENERATOR_VERSION!r}: "
            "more of its samples would be made in another way. Use the release that has it, or make a new dataset"
        )
