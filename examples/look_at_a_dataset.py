"""Look at a dataset: the page of the whole, and one sample as every receiver recorded it.

    python examples/look_at_a_dataset.py 'Test IQ Generation' 17 pictures

Writes `dataset.png` and `sample-17.png`, and prints what was heard where. The same without Python:
`iqstream datasets plot NAME` and `iqstream iq show NAME 17`.
"""

import argparse
from pathlib import Path

import numpy as np

import iqstream


def main() -> None:
    """Draws both pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("dataset", help="name or id")
    parser.add_argument("sample", type=int, help="index of the sample")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    arguments = parser.parse_args()
    with iqstream.connect() as client:
        client.plot(arguments.dataset, arguments.folder / "dataset.png")
        client.plot_iq(arguments.dataset, arguments.sample, arguments.folder / f"sample-{arguments.sample}.png")
        sample = client.iq(arguments.dataset, arguments.sample)
    for rx_id, frame in sample.frames.items():
        power_dbm = 10 * np.log10(np.mean(np.abs(frame.samples()) ** 2))
        source = "synthesised again" if rx_id in sample.synthesized else "from Kafka"
        print(f"{rx_id:16} {power_dbm:7.1f} dBm  {frame.datatype:8} crc32 {sample.crc32[rx_id]:08x}  {source}")


if __name__ == "__main__":
    main()
