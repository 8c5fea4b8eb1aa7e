"""What a dataset holds: proving it, writing it to a file, and streaming it out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

from iqstream.catalogue.datasets import find_dataset
from iqstream.catalogue.measured import Link, feature_values, links_of
from iqstream.catalogue.outcomes import outcomes_after
from iqstream.client.calls import Calls, ignore
from iqstream.client.results import SamplePage, SampleReport, Verification
from iqstream.dataset.sample_iq import decided_sample
from iqstream.dataset_distributions import SAMPLES, DistanceBand, Distribution, by_distance, distribution
from iqstream.reach import object_store
from iqstream.runtime.errors import Failed, UserError
from iqstream.runtime.kafka import reader_consumer
from iqstream.runtime.readable import Rows
from iqstream.verify.check import Check
from schemas import FEATURE_NAMES, STATISTICS, DatasetKey, Verdict
from sink.frames import FrameReader

if TYPE_CHECKING:
    from iqstream.dataset import FeatureStream
    from iqstream.export.run import Exported


class StoredCalls(Calls):
    """`samples`, `sample`, `links`, `outcomes_by_distance`, `distribution`, `verify`, `export`, `stream`."""

    async def samples(
        self,
        name_or_id: str,
        *,
        version: int | None = None,
        outcome: Verdict | None = None,
        after: int = -1,
        limit: int = 100,
    ) -> SamplePage:
        """Returns decided samples of a dataset by index, a page at a time.

        Args:
            name_or_id: which dataset.
            version: of it; if not given, the newest that is whole.
            outcome: only samples that ended so.
            after: only samples of a higher index: `next_after` of the page before.
            limit: samples at most.

        Raises:
            UserError: there is no such dataset.
            Unreachable: PostgreSQL does not answer.
        """
        async with self._postgres() as pool:
            found = await find_dataset(pool, name_or_id, version=version, tell=self._tell)
            key = DatasetKey(found.id, found.version)
            rows = await outcomes_after(pool, key, after=after, limit=limit + 1, outcome=outcome)
        page = Rows(rows[:limit])
        return SamplePage(
            dataset=found, samples=page, next_after=page[-1].sample_idx if page and len(rows) > limit else None
        )

    async def sample(self, name_or_id: str, sample_idx: int, *, version: int | None = None) -> SampleReport:
        """Returns a decided sample: why it was accepted or not, its lineage, and its features where it was.

        Args:
            name_or_id: which dataset.
            sample_idx: which sample.
            version: of the dataset; if not given, the newest that is whole.

        Raises:
            UserError: there is no such dataset, or the sample is not decided.
            Unreachable: PostgreSQL does not answer.
        """
        async with self._postgres() as pool:
            found = await find_dataset(pool, name_or_id, version=version, tell=self._tell)
            outcome, row = await decided_sample(pool, found, sample_idx)
        return SampleReport(dataset=found, outcome=outcome, row=row)

    async def links(self, name_or_id: str, samples: Sequence[int], *, version: int | None = None) -> Rows[Link]:
        """Returns how strong accepted samples were received: a link for each receiver that measured one.

        Args:
            name_or_id: which dataset.
            samples: which; those that are not accepted, or whose transmitter is not known, have none.
            version: of the dataset; if not given, the newest that is whole.

        Raises:
            UserError: there is no such dataset.
            Unreachable: PostgreSQL does not answer.
        """
        async with self._postgres() as pool:
            found = await find_dataset(pool, name_or_id, version=version, tell=self._tell)
            return Rows(await links_of(pool, DatasetKey(found.id, found.version), samples))

    async def outcomes_by_distance(self, name_or_id: str, *, version: int | None = None) -> Rows[DistanceBand]:
        """Returns how samples ended by their transmitter's distance to the nearest receiver; of the first 2,000.

        Args:
            name_or_id: which dataset.
            version: of it; if not given, the newest that is whole.

        Raises:
            UserError: there is no such dataset.
            Unreachable: PostgreSQL does not answer.
        """
        async with self._postgres() as pool:
            found = await find_dataset(pool, name_or_id, version=version, tell=self._tell)
            first = await outcomes_after(pool, DatasetKey(found.id, found.version), after=-1, limit=SAMPLES)
        return Rows(await asyncio.to_thread(by_distance, found.spec, first))

    async def distribution(
        self, name_or_id: str, feature: str, statistic: str = "mean", *, version: int | None = None
    ) -> Distribution:
        """Returns how a feature is distributed, receiver by receiver; of the first 2,000 accepted samples.

        Args:
            name_or_id: which dataset.
            feature: one of `schemas.FEATURE_NAMES`.
            statistic: of its values over the chunks: one of `schemas.STATISTICS`.
            version: of the dataset; if not given, the newest that is whole.

        Raises:
            UserError: there is no such dataset, feature or statistic.
            Unreachable: PostgreSQL does not answer.
        """
        for name, given, known in (
            ("feature", feature, tuple(FEATURE_NAMES)), ("statistic", statistic, tuple(STATISTICS)),
        ):  # fmt: skip
            if given not in known:
                raise UserError(f"{name}: {given!r} is none of {', '.join(known)}")
        async with self._postgres() as pool:
            found = await find_dataset(pool, name_or_id, version=version, tell=self._tell)
            key = DatasetKey(found.id, found.version)
            values = await feature_values(pool, key, feature, statistic, samples=SAMPLES)
        return distribution(feature, statistic, values)

    async def verify(
        self,
        name_or_id: str,
        *,
        version: int | None = None,
        recompute: int = 20,
        on_check: Callable[[Check], None] = ignore,
    ) -> Verification:
        """Proves a dataset against its lineage, and changes nothing.

        Args:
            name_or_id: which dataset.
            version: of it; if not given, the newest that is whole.
            recompute: decided samples to make again from their frames; the same ones each time.
            on_check: is given each check when it is through.

        Raises:
            UserError: there is no such dataset.
            Failed: it was deleted, or its frames cannot be read.
            Unreachable: a server does not answer.
        """
        from iqstream.verify.verify import Verifier  # brings the kernels of two stages
        from producer.synthesize import synthesize_sample
        from producer.tile_directory import tiles_in

        checks = []
        synthesize = partial(synthesize_sample, tiles=tiles_in(self.settings.terrain_dir))
        store = object_store(self.settings)
        try:
            async with (
                self._postgres() as pool,
                FrameReader(lambda: reader_consumer(self.settings)) as frames,
            ):
                found = await find_dataset(pool, name_or_id, version=version, tell=self._tell)
                verifier = Verifier(pool=pool, store=store, frames=frames, synthesize=synthesize, dataset=found)
                try:
                    async for check in verifier.checks(recompute):
                        checks.append(check)
                        on_check(check)
                except (KafkaError, TimeoutError) as error:
                    raise Failed(f"frames cannot be read from Kafka: {type(error).__name__} {error}") from None
        finally:
            store.close()
        return Verification(dataset=found, checks=Rows(checks))

    async def export(
        self,
        name_or_id: str,
        path: Path | str | None = None,
        *,
        file_format: str = "parquet",
        version: int | None = None,
        include_rejected: bool = False,
        truth: bool = False,
        force: bool = False,
        on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> Exported:
        """Writes a dataset to a file, a row per sample and receiver, with a card beside it.

        Time differences, where the dataset has them, go into a file of their own: a row per sample and pair.

        Args:
            name_or_id: which dataset.
            path: of the file; if not given, `dataset-ID.FORMAT` here.
            file_format: `parquet`, `npz`, `csv`, or `huggingface`: a folder of Parquet shards, described in Croissant.
            version: of the dataset; if not given, the newest that is whole.
            include_rejected: rejected samples too: their figures, not the features.
            truth: what the generator put in, too, as columns of role `truth`; drawn again from the spec.
            force: replace files that are there.
            on_progress: is given the samples done and all.

        Raises:
            UserError: no such dataset, the file is there, the format's library is missing, or the truth is not known.
            Failed: the file cannot be written.
            Unreachable: PostgreSQL does not answer.
        """
        from iqstream.export.formats import FORMATS
        from iqstream.export.run import export_dataset, require_place
        from iqstream.export.truth import truth_of

        if file_format not in FORMATS:
            raise UserError(f"file_format: {file_format!r} is not one of {', '.join(FORMATS)}")
        FORMATS[file_format].require()  # before anything is asked of the database
        try:
            async with self._postgres() as pool:
                found = await find_dataset(pool, name_or_id, version=version, tell=self._tell)
                place = Path(path or f"dataset-{found.id}.{file_format}")
                require_place(place, file_format, pairs=found.spec.pairs, force=force)
                return await export_dataset(
                    pool,
                    found,
                    place,
                    file_format,
                    include_rejected=include_rejected,
                    draw_truth=truth_of(found, self.settings.terrain_dir) if truth else None,
                    on_progress=on_progress,
                )
        except OSError as error:
            raise Failed(f"the export cannot be written: {error}") from None

    def stream(self, name_or_id: str | None = None, **options: Any) -> FeatureStream:  # noqa: ANN401  # FeatureStream's
        """Returns the accepted samples of a dataset, or of all, as a stream for training.

        `options` are those of `iqstream.dataset.FeatureStream`: `batch_size`, `split`, `end` and others. The stream
        reads in a thread of its own; it is iterated as it is, in asynchronous code, too.

        Raises:
            UserError: an option is wrong; names it.
        """
        from iqstream.dataset import FeatureStream

        return FeatureStream(name_or_id, settings=self.settings, **options)
