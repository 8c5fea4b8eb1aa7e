"""Where a process's CPU time goes, function by function: samples of its stacks, taken from outside by py-spy.

From outside nothing in the process changes, and no sample waits for its lock. A thread counts while the system runs it;
what it does in C or in a compiled kernel counts for the Python function that called it.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from iqstream.runtime.errors import UserError

RATE_HZ = 100


def sampler() -> Path:
    """Returns where py-spy is.

    Raises:
        UserError: it is not installed.
    """
    path = Path(sys.executable).with_name("py-spy")
    if not path.exists():
        raise UserError("functions are sampled by py-spy: install it into this environment, or leave --functions out.")
    return path


async def sampled(pids: Sequence[int], seconds: float, folder: Path) -> Mapping[int, Counter[str]]:
    """Returns for each process how many samples fell into each function."""
    path = sampler()

    async def one(pid: int) -> Counter[str]:
        output = folder / f"stacks-{pid}"
        process = await asyncio.create_subprocess_exec(
            path, "record", "--rate", str(RATE_HZ), "--format", "raw", "--nonblocking", "--duration",
            str(max(1, round(seconds))), "--output", output, "--pid", str(pid),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await process.wait()
        return leaves(output.read_text(encoding="utf-8")) if output.exists() else Counter()

    found = await asyncio.gather(*(one(pid) for pid in pids))
    return dict(zip(pids, found, strict=True))


def leaves(stacks: str) -> Counter[str]:
    """Returns the samples of each innermost function, named `file:function`, from lines `outer;...;inner COUNT`."""
    counts: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        function, _, place = frames.rpartition(";")[2].partition(" (")
        counts[f"{place.rpartition(':')[0]}:{function}"] += int(count)
    return counts
