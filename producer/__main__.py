"""One producer worker process; `iqstream producer --workers N` starts several."""

from iqstream.runtime.worker import run_worker
from producer.service import rehearse, serve

if __name__ == "__main__":
    run_worker("producer", serve, rehearse)
