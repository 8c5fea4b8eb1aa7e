"""One producer worker process; `iqstream producer --workers N` starts several."""

from collections.abc import Awaitable
from functools import partial

from extractor.pairs.record import pair_record
from extractor.record import feature_record
from iqstream.runtime.worker import Worker, run_worker
from producer.service import rehearse, serve


def serve_with_extraction(worker: Worker) -> Awaitable[None]:
    """The producer's service; recordings whose frames are not published are extracted and compared here."""
    return serve(worker, extract=feature_record, measure_pairs=pair_record)


if __name__ == "__main__":
    run_worker("producer", serve_with_extraction, partial(rehearse, feature_record))
