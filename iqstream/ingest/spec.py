"""The dataset that recordings go into: a new one, or one that was begun and stays as it was begun."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from iqstream.catalogue.datasets import Dataset, find_dataset
from iqstream.catalogue.new_datasets import check_words
from iqstream.catalogue.postgres import Pool
from iqstream.ingest.given import AskedDataset
from iqstream.ingest.network import network_of, require_same
from iqstream.recordings import Recording
from iqstream.runtime.errors import Conflict, NotFound, UserError
from iqstream.shards import SUBMITTED_VERSION
from schemas import RecordedLimits, RecordedSpec

_OF_SPEC = {
    "window_ms": "--window-ms",
    "chunk_ms": "--chunk-ms",
    "sample_rate_hz": "--to-rate",
    "iq_samples": "--iq-samples",
    "pairs": "--pairs",
}
_OF_LIMITS = {"min_snr_db": "--min-snr", "min_receivers": "--min-receivers"}
"""Fields, and the options that say them."""


async def find_recorded(pool: Pool, name: str) -> Dataset | None:
    """The dataset of real recordings of a name or id; None where there is none."""
    try:
        found = await find_dataset(pool, name, version=SUBMITTED_VERSION, whole=True)
    except NotFound:
        return None
    if not isinstance(found.spec, RecordedSpec):
        raise Conflict(f"dataset {found.name!r} is a generated one: choose another --name for recordings")
    if found.status in {"cancelled", "deleted"}:
        raise Conflict(f"dataset {found.name!r} is {found.status}: choose another --name")
    return found


def new_spec(asked: AskedDataset, recordings: Sequence[Recording], version: str) -> RecordedSpec:
    """That of a new dataset; `version` is of the program that cuts the windows.

    Raises:
        UserError: it cannot be.
    """
    said = {name: value for name in _OF_SPEC if (value := getattr(asked, name)) is not None}
    if asked.chunk_ms is None and asked.window_ms is not None:
        said["chunk_ms"] = min(200, asked.window_ms)
    limits = {name: value for name in _OF_LIMITS if (value := getattr(asked, name)) is not None}
    network = network_of(recordings, asked.receivers)
    try:
        spec = RecordedSpec(
            dataset_id=str(uuid4()),
            name=asked.name,
            samples=1,
            ingest_version=version,
            receivers=network,
            limits=RecordedLimits(**limits),
            **said,
        )
    except ValueError as error:
        raise UserError(f"dataset: {error}") from None
    check_words(spec, asked.description)
    return spec


def agreed_spec(dataset: Dataset, asked: AskedDataset, recordings: Sequence[Recording], version: str) -> RecordedSpec:
    """The dataset's spec, which is not changed any more. Raises UserError where it is not what was asked for."""
    spec = dataset.spec
    assert isinstance(spec, RecordedSpec)  # noqa: S101  # `find_recorded` has looked
    if spec.ingest_version != version:
        raise Conflict(
            f"dataset {dataset.name!r} was begun by ingest {spec.ingest_version!r}, and this is {version!r}: "
            "begin another dataset"
        )
    for said, fields in ((spec, _OF_SPEC), (spec.limits, _OF_LIMITS)):
        for name, option in fields.items():
            wanted, stands = getattr(asked, name), getattr(said, name)
            if wanted not in {None, stands}:
                raise Conflict(
                    f"{option.replace('--', '--no-') if wanted is False else option}: dataset {dataset.name!r} was "
                    f"begun {_begun(option, stands)}, and all of its samples are made in one way: leave it out, or "
                    "begin another dataset"
                )
    require_same(spec.receivers, recordings, asked.receivers)
    return spec


def _begun(option: str, value: object) -> str:
    if value is None or isinstance(value, bool):
        return f"{'with' if value else 'without'} {option}"
    return f"with {value}"
