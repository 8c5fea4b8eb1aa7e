"""Export a dataset as a folder for the Hugging Face Hub, with the truth beside what was measured.

    python examples/export_for_the_hub.py 'Test IQ Generation' hub

Writes Parquet shards by split, a Croissant description and a card. Then it reads the shards as anybody would, and
prints how far the measured SNR is from the true one. `datasets.load_dataset("hub")` reads the same files.
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

import iqstream


def main() -> None:
    """Exports, then compares a feature with its truth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("dataset", help="name or id")
    parser.add_argument("folder", type=Path, help="a new folder")
    arguments = parser.parse_args()
    with iqstream.connect() as client:
        done = client.export(arguments.dataset, arguments.folder, file_format="huggingface", truth=True)
    print(f"{done.file}: {done.accepted} samples, {done.rows} rows; card: {done.card}")
    for split in ("train", "validation", "test"):
        for shard in sorted((arguments.folder / "data").glob(f"{split}-*.parquet")):
            columns = ["detected", "snr_db_mean", "truth_mean_snr_db"]
            detected, measured, true = (column.to_numpy() for column in pq.read_table(shard, columns=columns))
            error_db = np.median(np.abs(measured - true)[detected])
            print(f"{shard.name}: {len(true)} rows; SNR measured to {error_db:.2f} dB of the mean over fading (median)")


if __name__ == "__main__":
    main()
