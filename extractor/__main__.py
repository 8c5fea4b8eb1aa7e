"""One extractor worker process; `iqstream extractor --workers N` starts several."""

from extractor.service import rehearse, serve
from iqstream.runtime.worker import run_worker

if __name__ == "__main__":
    run_worker("extractor", serve, rehearse)
