"""Says where each transmitter of a dataset stands, from the time differences between its receivers.

    iqstream generate --name 'With pairs' --samples 200 --pairs --watch
    python examples/locate_transmitters.py 'With pairs'

Follows the accepted samples in Kafka, with --follow for ever, and compares each estimate with the truth. The map of the
network's terrain takes some ten seconds; the locator needs it for where a transmitter can stand at all.
"""

import argparse
from typing import Any

import numpy as np
import numpy.typing as npt

import iqstream
from iqstream.dataset import FeatureStream
from iqstream.locate import Observation, Pairs
from iqstream.locate.differences import RobustLeastSquares
from iqstream.locate.estimate import offset_km
from iqstream.locate.loss_map import CELLS, loss_map
from schemas import FEATURE_NAMES, PAIR_QUANTITIES, STATISTICS

Array = npt.NDArray[np.float64]


def mean_of(features: Array, name: str) -> Array:
    """A feature's mean at each receiver, (r,). `features` is (r, values)."""
    means: Array = features[:, FEATURE_NAMES.index(name) * len(STATISTICS) + STATISTICS.index("mean")]
    return means


def observation_of(x: dict[str, npt.NDArray[Any]], numbers: npt.NDArray[np.int64], receivers: int) -> Observation:
    """One sample of a stream as a locator takes it; `numbers` says which receiver of the network each row of x is."""
    quantity = dict(zip(PAIR_QUANTITIES, x["pairs"].T, strict=True))
    found = quantity["found"] == 1.0
    one, other = numbers[x["pair_receivers"][found]].T
    snr_db, floor_dbm = np.full((2, receivers), np.nan)
    snr_db[numbers], floor_dbm[numbers] = mean_of(x["features"], "snr_db"), mean_of(x["features"], "noise_floor_dbm")
    detected = np.zeros(receivers, bool)
    detected[numbers] = x["detected"]
    return Observation(
        level_dbm=floor_dbm + snr_db,
        snr_db=snr_db,
        detected=detected,
        pairs=Pairs(
            one=one,
            other=other,
            difference_us=quantity["time_difference_us"][found],
            deviation_us=quantity["standard_deviation_us"][found],
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="name or id; made with pairs: true")
    parser.add_argument("--follow", action="store_true", help="wait for further samples")
    parser.add_argument("--cells", type=int, default=CELLS, help="of the map; fewer are quicker")
    given = parser.parse_args()
    with iqstream.connect() as client:
        spec = client.dataset(given.dataset).dataset.spec
    network = {receiver.rx_id: number for number, receiver in enumerate(spec.receivers)}
    places = np.array([[receiver.latitude, receiver.longitude] for receiver in spec.receivers])
    locator = RobustLeastSquares(loss_map(spec, cells=given.cells), places)
    errors_km = []
    stream = FeatureStream(given.dataset, pairs=True, end=None if given.follow else "latest")
    for x, y, meta in stream:
        numbers = np.array([network[rx_id] for rx_id in meta["rx_ids"]], np.int64)
        estimate = locator.locate(observation_of(x, numbers, len(network)))
        errors_km.append(np.hypot(*offset_km(estimate.latitude, estimate.longitude, *y[:2])))
        print(
            f"sample {meta['sample_idx']}: {estimate.latitude:.4f} N {estimate.longitude:.4f} E, off by "
            f"{errors_km[-1]:.2f} km",
            flush=True,
        )
    if not errors_km:
        raise SystemExit(f"{given.dataset}: no accepted samples")
    median, most = np.percentile(errors_km, [50, 95])
    print(f"{len(errors_km)} samples: {median:.2f} km at the median, {most:.2f} km at 95 %")


if __name__ == "__main__":
    main()
