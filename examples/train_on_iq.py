"""Train on IQ that nothing stores: an SNR estimator that sees the spectrum of every recording.

    python examples/train_on_iq.py 'Test IQ Generation'

IQStream reads the features of a dataset's accepted samples from Kafka, and their IQ from the frames topic while it is
there; later it synthesises the same IQ again. Each recording becomes the quantiles of its spectrum. A linear model
learns from them what the truth says of the SNR, and is tested on samples that it has not seen.
"""

import argparse
import json

import numpy as np
import numpy.typing as npt

from iqstream.dataset import IQStream

Array = npt.NDArray[np.float64]
BINS = 256
QUANTILES = np.linspace(0, 1, 17)


def spectrum_quantiles(iq: npt.NDArray[np.complex64]) -> Array:
    """Quantiles of the averaged spectrum, dB over its median, (len(QUANTILES),). `iq` is (samples,), at least BINS."""
    blocks = iq[: len(iq) // BINS * BINS].reshape(-1, BINS) * np.hanning(BINS)
    level_db = 10 * np.log10(np.mean(np.abs(np.fft.fft(blocks, axis=1)) ** 2, axis=0) + 1e-30)
    quantiles: Array = np.quantile(level_db - np.median(level_db), QUANTILES)
    return quantiles


def read_split(dataset: str, split: str) -> tuple[Array, Array, dict[str, int]]:
    """Inputs (n, k) and true SNRs in dB (n,) of a split's recordings, and where these came from."""
    inputs, snr_db = [], []
    came_from = {"kafka": 0, "synthesis": 0}
    for x, _, meta in IQStream(dataset, split=split):
        for recording, synthesized, truth in zip(x["iq"], meta["synthesized"], meta["truth"], strict=True):
            inputs.append(spectrum_quantiles(recording))
            snr_db.append(np.mean(truth.link.snr_db))
            came_from["synthesis" if synthesized else "kafka"] += 1
    if not inputs:
        raise SystemExit(f"{dataset}: no accepted samples in its {split} split; generate more")
    return np.array(inputs), np.array(snr_db), came_from


def with_constant(inputs: Array) -> Array:
    """Inputs with a column of ones."""
    return np.column_stack([inputs, np.ones(len(inputs))])


def main() -> None:
    """Trains, and prints the error beside that of always saying the mean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("dataset", help="name or id")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    inputs, snr_db, came_from = read_split(arguments.dataset, "train")
    seen, true_db, _ = read_split(arguments.dataset, "test")
    coefficients = np.linalg.lstsq(with_constant(inputs), snr_db, rcond=None)[0]
    result = {
        "train_recordings": len(snr_db),
        "test_recordings": len(true_db),
        "from_kafka": came_from["kafka"],
        "synthesized": came_from["synthesis"],
        "mean_rms_db": float(np.sqrt(np.mean((true_db - snr_db.mean()) ** 2))),
        "model_rms_db": float(np.sqrt(np.mean((true_db - with_constant(seen) @ coefficients) ** 2))),
    }
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{result['train_recordings']} recordings to train on, {result['test_recordings']} to test")
    print(f"{came_from['kafka']} of the IQ from Kafka, {came_from['synthesis']} synthesised again")
    print(f"always the mean: error {result['mean_rms_db']:.1f} dB")
    print(f"trained model:   error {result['model_rms_db']:.1f} dB")


if __name__ == "__main__":
    main()
