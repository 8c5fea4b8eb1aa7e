"""How a dataset fares, in a few words."""

from iqstream.catalogue.datasets import OPEN, Dataset
from iqstream.watch.speed import Speed
from iqstream.watch.watch import OBSTACLE_AFTER_S


def health(dataset: Dataset, speed: Speed | None) -> str:
    """Returns what is wrong with a dataset, `good` where nothing is known to be.

    Args:
        dataset: as it is now.
        speed: at which it is decided; None where that is not known.
    """
    waits = dataset.status in OPEN and not dataset.grows and dataset.decided < dataset.requested
    still = waits and speed is not None and speed.per_second == 0 and speed.still_s >= OBSTACLE_AFTER_S
    wrong = [
        "stands still" if still else "",
        f"{dataset.failed:,} failed" if dataset.failed else "",
        f"IQ of {dataset.iq_samples_lost:,} lost" if dataset.iq_samples_lost else "",
    ]
    return ", ".join(filter(None, wrong)) or "good"
