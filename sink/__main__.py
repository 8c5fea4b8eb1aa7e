"""One sink worker process; `iqstream sink --workers N` starts several."""

from functools import partial

from iqstream.runtime.worker import run_worker
from producer.synthesize import synthesize_sample
from sink.service import serve

if __name__ == "__main__":
    run_worker("sink", partial(serve, synthesize=synthesize_sample))
