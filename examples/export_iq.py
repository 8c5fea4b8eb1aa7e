"""Export recordings as SigMF, read them back, and compare their features with those that were stored.

    python examples/export_iq.py 'Test IQ Generation' 0,3,17 recordings

Each recording is read as any SigMF reader would do it, with the scale that stands beside it, and goes through the
extractor once more: its 72 values are those of the dataset, to the last bit. `--integers` exports the integers of the
wire instead of complex floats.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

import iqstream
from extractor.extract import extract_features
from iqstream.dataset import FeatureStream

COMPONENTS = {"ci8": "<i1", "ci16_le": "<i2", "cf32_le": "<f4"}


def read_recording(meta_path: Path) -> tuple[npt.NDArray[np.complex64], dict[str, object]]:
    """Samples (n,) in sqrt(mW), and the global object of their metadata."""
    facts = json.loads(meta_path.read_text(encoding="utf-8"))["global"]
    components = np.fromfile(meta_path.with_suffix(".sigmf-data"), COMPONENTS[facts["core:datatype"]])
    return (components.astype(np.float32) * np.float32(facts["iqstream:scale"])).view(np.complex64), facts


def main() -> None:
    """Exports, reads back and compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("dataset", help="name or id")
    parser.add_argument("samples", help="which, as 0-9,17; accepted ones")
    parser.add_argument("folder", type=Path, help="where the files go")
    parser.add_argument("--integers", action="store_true", help="export the integers of the wire")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with iqstream.connect() as client:
        done = client.export_iq(
            arguments.dataset, arguments.samples, arguments.folder, integers=arguments.integers, force=True
        )
    stored = {
        (meta["sample_idx"], rx_id): values
        for x, _, meta in FeatureStream(arguments.dataset)
        for rx_id, values in zip(meta["rx_ids"], x["features"], strict=True)
    }
    compared = equal = 0
    for meta_path in sorted(arguments.folder.glob("*.sigmf-meta")):
        iq, facts = read_recording(meta_path)
        values = extract_features(iq, facts["core:sample_rate"], facts["iqstream:chunk_ms"] / 1000).ravel()
        same = values == stored[facts["iqstream:sample_idx"], facts["iqstream:rx_id"]]
        compared, equal = compared + same.size, equal + int(same.sum())
    if arguments.json:
        print(json.dumps({"recordings": done.recordings, "values_compared": compared, "values_equal": equal}))
        return
    print(f"{done.recordings} recordings, {done.size_bytes / 2**20:.1f} MiB in {done.folder}")
    print(f"{equal} of {compared} values are the stored ones to the last bit")


if __name__ == "__main__":
    main()
