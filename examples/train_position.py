"""Train a small position regressor from the stream, and compare it with a weighted centroid of the receivers.

    python examples/train_position.py 'Test IQ Generation'

Reads the accepted samples of a dataset from Kafka, split by 5 km blocks: no place that is tested was trained on. The
model is a ridge regression on the place that the received levels make likely and on the levels themselves, in NumPy
alone. It knows neither terrain nor the transmitter's power. The baseline is
the mean of the receivers' places weighted by their linear SNR to a power that is chosen on the training split. Both
medians are of the distance between estimate and transmitter over the `test` split.
"""

import argparse
import json

import numpy as np
import numpy.typing as npt

from iqstream.dataset import FeatureStream
from schemas import FEATURE_NAMES, STATISTICS

Array = npt.NDArray[np.float64]
KM_PER_DEGREE = 111.195
Split = tuple[Array, Array, Array, Array]
NOT_HEARD_DB = -60.0
EXPONENT = 2.0
SPREADS_DB = (3.0, 6.0, 12.0)
GRID = 60
MARGIN_DEG = 0.6


def read_split(dataset: str, split: str) -> Split:
    """Features (n, r, values), receivers (n, r, 4), detected (n, r) and transmitters (n, 2) of a spatial split."""
    stream = FeatureStream(dataset, split=split, split_by="spatial", batch_size=256)
    batches = list(stream)
    if not batches:
        raise SystemExit(f"{dataset}: no accepted samples in its {split} split; generate more")
    return (
        np.concatenate([x["features"] for x, _, _ in batches]),
        np.concatenate([x["receivers"] for x, _, _ in batches]),
        np.concatenate([x["detected"] for x, _, _ in batches]).astype(float),
        np.concatenate([y[:, :2] for _, y, _ in batches]),
    )


def mean_of(features: Array, name: str) -> Array:
    """The mean of one feature at each receiver, (n, r)."""
    values: Array = features[:, :, FEATURE_NAMES.index(name) * len(STATISTICS)]
    return values


def distance_km(estimate: Array, truth: Array) -> Array:
    """Along the ground, near enough at these distances, (n,)."""
    north = estimate[:, 0] - truth[:, 0]
    east = (estimate[:, 1] - truth[:, 1]) * np.cos(np.radians(truth[:, 0]))
    return KM_PER_DEGREE * np.hypot(north, east)


def centroid(features: Array, receivers: Array, detected: Array, power: float) -> Array:
    """The receivers' mean place, weighted by linear SNR to a power, (n, 2)."""
    weight = detected * 10 ** (power * np.clip(mean_of(features, "snr_db"), -60, 80) / 10) + 1e-12
    places: Array = (receivers[:, :, :2] * weight[:, :, None]).sum(axis=1) / weight.sum(axis=1)[:, None]
    return places


def likely_place(features: Array, receivers: Array, detected: Array, spread_db: float) -> Array:
    """Where the levels fit best, (n, 2): the mean over a grid, weighted by how likely each point makes them.

    A level is taken to fall by 10 EXPONENT log10(distance) from a power that nobody knows, so only differences count:
    what is left of the levels of those that heard, less their mean, is noise of `spread_db`.
    """
    places = receivers[0, :, :2]
    low, high = places.min(axis=0) - MARGIN_DEG, places.max(axis=0) + MARGIN_DEG
    grid = np.stack(np.meshgrid(*[np.linspace(*edge, GRID) for edge in zip(low, high, strict=True)]), axis=-1)
    points = grid.reshape(-1, 2)
    loss_db = np.stack([10 * EXPONENT * np.log10(distance_km(points, place[None]) + 1.0) for place in places], axis=1)
    found = np.empty((len(features), 2))
    for row, (level, heard) in enumerate(zip(mean_of(features, "rssi_dbm"), detected > 0, strict=True)):
        power_dbm = level[heard] + loss_db[:, heard]
        misfit = power_dbm.var(axis=1) * heard.sum()
        weight = np.exp(-(misfit - misfit.min()) / (2 * spread_db**2))
        found[row] = weight @ points / weight.sum()
    return found


def inputs(split: Split) -> Array:
    """What the model sees of a sample, (n, k): levels against the strongest, delay spreads, and likely places."""
    features, receivers, detected, _ = split
    level, heard = mean_of(features, "rssi_dbm"), detected > 0
    relative_db = np.where(heard, level - np.where(heard, level, -np.inf).max(axis=1, keepdims=True), NOT_HEARD_DB)
    likely = [likely_place(features, receivers, detected, spread_db) for spread_db in SPREADS_DB]
    return np.concatenate([*likely, relative_db, mean_of(features, "multipath_delay_spread_us"), detected], axis=1)


class Ridge:
    """Ridge regression on standardised inputs."""

    def __init__(self, x: Array, y: Array, penalty: float) -> None:
        """Fits x (n, k) to y (n, d)."""
        self._mean, self._scale, self._centre = x.mean(axis=0), x.std(axis=0) + 1e-9, y.mean(axis=0)
        scaled = (x - self._mean) / self._scale
        gram = scaled.T @ scaled + penalty * len(x) * np.eye(x.shape[1])
        self._coefficients = np.linalg.solve(gram, scaled.T @ (y - self._centre))

    def predict(self, x: Array) -> Array:
        """(n, d)"""
        predicted: Array = (x - self._mean) / self._scale @ self._coefficients + self._centre
        return predicted


def trained(train: Split, validation: Split) -> Ridge:
    """The penalty by the median error on the validation split."""
    x, seen = inputs(train), inputs(validation)
    models = [Ridge(x, train[3], penalty) for penalty in (1e-4, 1e-3, 1e-2, 1e-1, 1.0)]
    return min(models, key=lambda model: np.median(distance_km(model.predict(seen), validation[3])))


def main() -> None:
    """Trains and prints both medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("dataset", help="name or id")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    train, validation, test = (read_split(arguments.dataset, split) for split in ("train", "validation", "test"))
    powers = np.linspace(0.05, 1.0, 20)
    power = min(powers, key=lambda p: np.median(distance_km(centroid(*train[:3], p), train[3])))
    model = trained(train, validation)
    result = {
        "train_samples": len(train[3]),
        "test_samples": len(test[3]),
        "centroid_median_km": float(np.median(distance_km(centroid(*test[:3], power), test[3]))),
        "model_median_km": float(np.median(distance_km(model.predict(inputs(test)), test[3]))),
    }
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{result['train_samples']} samples to train on, {result['test_samples']} to test, split by 5 km blocks")
    print(f"SNR-weighted centroid: median error {result['centroid_median_km']:.1f} km")
    print(f"trained model:         median error {result['model_median_km']:.1f} km")


if __name__ == "__main__":
    main()
