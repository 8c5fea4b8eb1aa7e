"""Write docs/fidelity.md, docs/fidelity.json and docs/images/fidelity/: `python -m benchmarks.fidelity`.

`make fidelity` runs it. The same commit gives the same figures; --quick makes a rough draft somewhere else.
"""

import argparse
import importlib
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Other chapters, each a module with `section(images: Path) -> str`, in the order of the document.
SECTIONS = ("channel", "propagation", "acceptance")
TITLE = """# Fidelity: every number against truth and theory

Written by `make fidelity`; do not edit. The figures are in [fidelity.json](fidelity.json).
"""


def main() -> None:
    # One thread each: two processes share the cores.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    from benchmarks.fidelity import estimators

    parser = argparse.ArgumentParser(description="Measure the features and the channel, and write docs/fidelity.md.")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder to write to (default docs)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the draws: a draft")
    parser.add_argument("--render", action="store_true", help="write the document anew from the JSON, measure nothing")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    began = time.monotonic()
    images = given.out / "images" / "fidelity"
    images.mkdir(parents=True, exist_ok=True)
    sizes = estimators.Sizes(10, 4_000, 40, 40, 30) if given.quick else estimators.Sizes()
    if given.render:
        figures = json.loads((given.out / "fidelity.json").read_text())
    else:
        with ProcessPoolExecutor(given.processes) as executor:
            figures = estimators.figures(estimators.run(executor, sizes))
    document = [TITLE, estimators.chapter(figures, images)]
    document += [text for name in SECTIONS if (text := other_section(name, images))]
    (given.out / "fidelity.json").write_text(json.dumps(figures, indent=1) + "\n")
    (given.out / "fidelity.md").write_text("\n".join(document))
    print(f"{given.out / 'fidelity.md'}: written in {time.monotonic() - began:.0f} s")


def other_section(name: str, images: Path) -> str:
    """Returns the chapter of another module; empty if the module does not exist."""
    if not (Path(__file__).parent / f"{name}.py").exists():
        return ""
    text: str = importlib.import_module(f"benchmarks.fidelity.{name}").section(images)
    return text


if __name__ == "__main__":
    main()
