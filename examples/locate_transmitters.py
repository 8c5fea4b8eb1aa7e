"""Says where each transmitter of a dataset stands, from the time differences between its receivers.

    iqstream generate --name 'With pairs' --samples 200 --pairs --watch
    python examples/locate_transmitters.py 'With pairs'

    iqstream ingest --name DCF77 --pairs --at rxa=53.67,7.28 --at rxb=45.78,0.61 --at rxc=47.17,8.43 --watch recordings/
    python examples/locate_transmitters.py DCF77

Follows the accepted samples in Kafka, with --follow for ever, and compares each estimate with the transmitter's place
where that is known. The map of a generated network's terrain takes some ten seconds; the locator needs it for where a
transmitter can stand at all. Of real recordings it may be anywhere, on ground that nobody knows.
"""

import argparse
import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

import iqstream
from iqstream.dataset import FeatureStream
from iqstream.locate import Observation, Pairs
from iqstream.locate.cells import CELLS, even_cells
from iqstream.locate.differences import RobustLeastSquares
from iqstream.locate.estimate import offset_km
from iqstream.locate.loss_map import loss_map
from schemas import FEATURE_NAMES, PAIR_QUANTITIES, STATISTICS, DatasetSpec

Array = npt.NDArray[np.float64]


def mean_of(features: Array, name: str) -> Array:
    """A feature's mean at each receiver, (r,). `features` is (r, values)."""
    means: Array = features[:, FEATURE_NAMES.index(name) * len(STATISTICS) + STATISTICS.index("mean")]
    return means


def observation_of(x: dict[str, npt.NDArray[Any]], numbers: npt.NDArray[np.int64], receivers: int) -> Observation:
    """One sample of a stream as a locator takes it.

    `numbers` says which receiver of the network each row of x is; one of unknown place has -1 and is left out.
    """
    quantity = dict(zip(PAIR_QUANTITIES, x["pairs"].T, strict=True))
    found = (quantity["found"] == 1.0) & (numbers[x["pair_receivers"]] >= 0).all(axis=1)
    one, other = numbers[x["pair_receivers"][found]].T
    placed = numbers >= 0
    snr_db, floor_dbm = np.full((2, receivers), np.nan)
    snr_db[numbers[placed]] = mean_of(x["features"], "snr_db")[placed]
    floor_dbm[numbers[placed]] = mean_of(x["features"], "noise_floor_dbm")[placed]
    detected = np.zeros(receivers, bool)
    detected[numbers[placed]] = x["detected"][placed]
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


def together(observations: list[Observation]) -> Observation:
    """All that was observed of one transmitter that stood still."""
    names = ("one", "other", "difference_us", "deviation_us")
    every = {name: np.concatenate([getattr(each.pairs, name) for each in observations]) for name in names}
    return dataclasses.replace(observations[-1], pairs=Pairs(**every))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="name or id; made with --pairs")
    parser.add_argument("--follow", action="store_true", help="wait for further samples")
    parser.add_argument("--cells", type=int, default=CELLS, help="of the map; fewer are quicker")
    parser.add_argument(
        "--still", action="store_true", help="it is one transmitter that stands still: locate it at last"
    )
    given = parser.parse_args()
    with iqstream.connect() as client:
        spec = client.dataset(given.dataset).dataset.spec
    receivers = [station.placed for station in spec.receivers if station.placed is not None]
    lost = [station.rx_id for station in spec.receivers if station.placed is None]
    if lost:
        print(f"Where {', '.join(lost)} stood is not known: left out.")
    if len(receivers) < 3:
        raise SystemExit(f"{given.dataset}: to locate takes three receivers of known place, it has {len(receivers)}")
    network = {receiver.rx_id: number for number, receiver in enumerate(receivers)}
    places = np.array([[receiver.latitude, receiver.longitude] for receiver in receivers])
    generated = isinstance(spec, DatasetSpec)
    cells = loss_map(spec, cells=given.cells) if generated else even_cells(receivers, cells=given.cells)
    locator = RobustLeastSquares(cells, places)
    errors_km, observations = [], []

    def tell(what: str, observation: Observation, place: Array) -> None:
        estimate = locator.locate(observation)
        off = ""
        if np.isfinite(place).all():
            errors_km.append(np.hypot(*offset_km(estimate.latitude, estimate.longitude, *place)))
            off = f", off by {errors_km[-1]:.2f} km"
        print(f"{what}: {estimate.latitude:.4f} N {estimate.longitude:.4f} E{off}", flush=True)

    stream = FeatureStream(given.dataset, pairs=True, end=None if given.follow else "latest")
    for x, y, meta in stream:
        what = f"sample {meta['sample_idx']}"
        numbers = np.array([network.get(rx_id, -1) for rx_id in meta["rx_ids"]], np.int64)
        observation = observation_of(x, numbers, len(network))
        if not generated and observation.pairs.one.size < 2:
            print(f"{what}: not located, it has {observation.pairs.one.size} time differences of the two that it takes")
            continue
        observations.append(observation)
        tell(what, observation, y[:2])
    if not observations:
        raise SystemExit(f"{given.dataset}: no accepted samples with time differences")
    if errors_km:
        median, most = np.percentile(errors_km, [50, 95])
        print(f"{len(errors_km)} samples: {median:.2f} km at the median, {most:.2f} km at 95 %")
    if given.still:
        tell(f"{len(observations)} samples together", together(observations), y[:2])


if __name__ == "__main__":
    main()
