"""Whether every dataset of a run is stored exactly once, and equals an undisturbed one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from iqstream.bench.digest import dataset_digest
from iqstream.catalogue.connection import connect
from iqstream.catalogue.counts import stored_counts
from iqstream.dataset.feature_records import committed_records
from iqstream.runtime.settings import Settings
from iqstream.verify.completeness import Completeness, RecordingCount
from schemas import DatasetSpec, FailureRecord, FeatureRecord, PairRecord, SchemaError, decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found for some datasets."""

    datasets: int
    samples: int
    lost: int
    """Recordings without a feature record, samples without pair record or outcome, accepted samples without a row."""
    doubled: int
    digests_differ: int
    """Datasets whose rows, outcomes, pairs or objects are not those of the undisturbed run."""

    def problems(self) -> list[str]:
        """A sentence for each thing that is wrong."""
        found = []
        if self.lost:
            found.append(f"{self.lost} recordings, outcomes or rows are lost")
        if self.doubled:
            found.append(f"{self.doubled} recordings, outcomes or rows are doubled")
        if self.digests_differ:
            found.append(f"{self.digests_differ} of {self.datasets} datasets differ from the undisturbed run")
        return found


async def verify(settings: Settings, specs: Sequence[DatasetSpec], undisturbed: Mapping[bool, str]) -> Verdict:
    """Reads everything back: Kafka (committed records only), PostgreSQL and the object store.

    Args:
        settings: where.
        specs: of complete datasets.
        undisturbed: the digest to compare with of a dataset without time differences (False) and of one with (True).
    """
    recordings = await count_recordings(settings, specs)
    found: list[Completeness] = []
    differ = 0
    connection = await connect(settings.postgres_dsn)
    try:
        for spec in specs:
            stored = await stored_counts(connection, spec.dataset_id)
            assert stored is not None  # noqa: S101  # it is complete
            counted = recordings[spec.dataset_id]
            found.append(
                Completeness(
                    requested=stored.requested,
                    outcomes=stored.outcomes,
                    accepted=stored.accepted,
                    rows=stored.rows,
                    recordings_lost=counted.lost,
                    recordings_doubled=counted.doubled,
                )
            )
            differ += await dataset_digest(settings, spec.dataset_id) != undisturbed[spec.pairs]
    finally:
        await connection.close()
    return Verdict(
        datasets=len(specs),
        samples=sum(spec.samples for spec in specs),
        lost=sum(one.lost for one in found),
        doubled=sum(one.doubled for one in found),
        digests_differ=differ,
    )


async def count_recordings(settings: Settings, specs: Sequence[DatasetSpec]) -> Mapping[str, RecordingCount]:
    """The committed records of each dataset, by its id; other datasets' and what cannot be read are passed over."""
    counts = {spec.dataset_id: RecordingCount(spec) for spec in specs}
    async for record in committed_records(settings):
        try:
            message = decode(record.value or b"")
        except SchemaError:
            continue  # bad on purpose
        if isinstance(message, FeatureRecord | FailureRecord | PairRecord) and message.dataset_id in counts:
            counts[message.dataset_id].add(message)
    return counts
