"""What the picture of a dataset shows, read from wherever it is stored."""

import math
from collections.abc import AsyncIterator, Container, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.exported import exported_samples
from iqstream.catalogue.iq_saves import samples_with_iq
from iqstream.catalogue.outcomes import SampleOutcome, sample_outcomes
from iqstream.catalogue.postgres import Pool
from iqstream.dataset.feature_records import feature_records
from iqstream.dataset.iq_source import open_iq_source
from iqstream.dataset.sample_iq import sample_iq
from iqstream.plot.picture import Link, Page, Recording, heard_link, level_unit
from iqstream.plot.truth import RecordingErrors, recording_errors
from iqstream.reach import postgres_pool
from iqstream.runtime.errors import Failed
from iqstream.runtime.settings import Settings
from schemas import DatasetKey, FeatureRecord, Receiver, RecordedSpec

MOST_SAMPLES = 2000
"""More on one map cannot be told apart."""
ROWS_AT_A_TIME = 256


class _Kept(NamedTuple):
    generation: int
    link: Link | None
    errors: RecordingErrors | None


@dataclass(slots=True, kw_only=True)
class Drawn:
    """What is kept of a dataset's records for its picture: of a recording that was replayed, the last."""

    dataset: Dataset
    every: int = 1
    """One sample of so many is drawn."""
    _kept: dict[tuple[int, str], _Kept] = field(default_factory=dict)

    @property
    def links(self) -> list[Link]:
        """Of recordings that were heard."""
        return [kept.link for kept in self._kept.values() if kept.link is not None]

    @property
    def errors(self) -> list[RecordingErrors]:
        """Of recordings with a truth."""
        return [kept.errors for kept in self._kept.values() if kept.errors is not None]

    @property
    def samples(self) -> set[int]:
        """Of which there was a record."""
        return {sample_idx for sample_idx, _ in self._kept}

    def add(self, record: FeatureRecord) -> None:
        """Keeps what is drawn of a record."""
        place = record.sample_idx, record.receiver.rx_id
        known = self._kept.get(place)
        if record.sample_idx % self.every or (known is not None and known.generation > record.generation):
            return
        link = heard_link(record, self.dataset.spec.limits.detection_snr_db)
        self._kept[place] = _Kept(record.generation, link, recording_errors(record))


async def read_page(settings: Settings, dataset: Dataset) -> Page:
    """Returns the page of a dataset, as far as what it shows is still there.

    Links come from the features topic, and where records have expired there from the rows of accepted samples; errors
    need the truth, which stands in the topic alone. The recording is stored, or out of Kafka, or synthesised again.

    Raises:
        Unreachable: a server does not answer.
    """
    drawn = Drawn(dataset=dataset, every=max(1, math.ceil(dataset.requested / MOST_SAMPLES)))
    async for record in feature_records(settings, dataset.id, dataset.version):
        if isinstance(record, FeatureRecord):
            drawn.add(record)
    async with postgres_pool(settings) as pool:
        outcomes = await sample_outcomes(pool, dataset.id, dataset.version, every=drawn.every)
        missing = {one.sample_idx for one in outcomes if one.verdict == "accepted"} - drawn.samples
        stored = [link async for link in _stored_links(pool, dataset, missing)] if missing else []
        return page_of(drawn, outcomes, await recording_to_draw(settings, pool, dataset, outcomes), stored)


def page_of(
    drawn: Drawn, outcomes: Sequence[SampleOutcome], recording: Recording | None, more_links: Sequence[Link] = ()
) -> Page:
    """Returns the page."""
    dataset = drawn.dataset
    some = f"; of {drawn.every} samples one is drawn" if drawn.every > 1 else ""
    return Page(
        title=f"{dataset.name}: {dataset.accepted} of {dataset.requested} samples accepted{some}",
        receivers=_placed(dataset),
        outcomes=outcomes,
        links=[*drawn.links, *more_links],
        recording=recording,
        errors=drawn.errors,
        recorded=isinstance(dataset.spec, RecordedSpec),
    )


async def recording_to_draw(
    settings: Settings, pool: Pool, dataset: Dataset, outcomes: Sequence[SampleOutcome]
) -> Recording | None:
    """Returns the best heard recording of the first accepted sample, one whose IQ is stored before others.

    None where no sample was accepted, or its recordings can be had nowhere.
    """
    stored = await samples_with_iq(pool, dataset.id)
    accepted = [one.sample_idx for one in outcomes if one.verdict == "accepted"]
    if not accepted:
        return None
    async with open_iq_source(settings) as source:
        try:
            found = await sample_iq(pool, source, dataset, min(stored.intersection(accepted) or accepted))
        except Failed:
            return None
    rx_id = max(found.rx_ids, key=lambda rx_id: found.snr_db.get(rx_id, -math.inf))
    frame = found.frames[rx_id]
    return Recording(
        samples=frame.samples(),
        sample_rate_hz=frame.sample_rate_hz,
        center_frequency_hz=frame.center_frequency_hz,
        title=f"Sample {found.sample_idx} at {rx_id}, SNR {found.snr_db[rx_id]:.0f} dB",
        level_unit=level_unit(frame),
    )


async def _stored_links(pool: Pool, dataset: Dataset, samples: Container[int]) -> AsyncIterator[Link]:
    """Of accepted samples, from their rows."""
    receivers = {receiver.rx_id: receiver for receiver in _placed(dataset)}
    key = DatasetKey(dataset.id, dataset.version)
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        async for sample in exported_samples(connection, key, include_rejected=False, prefetch=ROWS_AT_A_TIME):
            latitude, longitude = sample.figures.get("tx_latitude"), sample.figures.get("tx_longitude")
            if sample.sample_idx not in samples or latitude is None or longitude is None:
                continue
            detected = set(sample.figures.get("detected", ()))
            for one in sample.receiver_features or ():
                if one["rx_id"] in detected & receivers.keys():
                    yield Link(
                        tx_latitude=latitude,
                        tx_longitude=longitude,
                        receiver=receivers[one["rx_id"]],
                        snr_db=one["snr_db"]["mean"],
                    )


def _placed(dataset: Dataset) -> list[Receiver]:
    return [placed for station in dataset.spec.receivers if (placed := station.placed) is not None]
