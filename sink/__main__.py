"""One sink worker process; `iqstream sink --workers N` starts several."""

from collections.abc import Awaitable
from functools import cache, partial

from iqstream.runtime.worker import Worker, run_worker
from schemas import DatasetSpec
from sink.recordings import Synthesize, SynthesizedSample
from sink.service import serve


def synthesis_over(terrain_dir: str) -> Synthesize:
    """Returns what makes samples again, over the tiles of a directory.

    The generator is imported for the first one: that takes a second of CPU, and most workers never need it.
    """

    @cache
    def generator() -> Synthesize:
        from producer.synthesize import synthesize_sample
        from producer.tile_directory import tiles_in

        return partial(synthesize_sample, tiles=tiles_in(terrain_dir))

    def synthesize(spec: DatasetSpec, sample_idx: int) -> SynthesizedSample:
        return generator()(spec, sample_idx)

    return synthesize


def serve_with_synthesis(worker: Worker) -> Awaitable[None]:
    """The sink's service; frames that have expired are synthesised again, on the same ground."""
    return serve(worker, synthesize=synthesis_over(worker.settings.terrain_dir))


if __name__ == "__main__":
    run_worker("sink", serve_with_synthesis)
