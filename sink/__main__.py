"""One sink worker process; `iqstream sink --workers N` starts several."""

from collections.abc import Awaitable
from functools import partial

from iqstream.runtime.worker import Worker, run_worker
from producer.synthesize import synthesize_sample
from producer.tile_directory import tiles_in
from sink.service import serve


def serve_with_synthesis(worker: Worker) -> Awaitable[None]:
    """The sink's service; frames that have expired are synthesised again, on the same ground."""
    return serve(worker, synthesize=partial(synthesize_sample, tiles=tiles_in(worker.settings.terrain_dir)))


if __name__ == "__main__":
    run_worker("sink", serve_with_synthesis)
