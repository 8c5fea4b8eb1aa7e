"""A seeded plan of faults: every kind if there is room, then by weight; some at the same time."""

import random
from collections.abc import Collection

from iqstream.bench.faults import KINDS
from iqstream.bench.ground import Fault

TOGETHER_SHARE = 0.12
"""Of the steps: two faults of different kinds at once."""

Step = tuple[Fault, ...]


def plan_faults(count: int, seed: int, kinds: Collection[str] = tuple(KINDS)) -> list[Step]:
    """`count` faults of these kinds in steps of one or two, the same for the same arguments."""
    draw = random.Random(seed)  # noqa: S311  # a plan, not a secret
    names = list(kinds)
    draw.shuffle(names)
    chosen = names[:count]
    weights = [KINDS[name].weight for name in names]
    chosen += draw.choices(names, weights, k=count - len(chosen))
    faults = [Fault(kind=name, pick=draw.random(), hold_s=draw.uniform(*KINDS[name].hold_s)) for name in chosen]
    steps: list[Step] = []
    while faults:
        fault = faults.pop(0)
        if faults and faults[0].kind != fault.kind and draw.random() < TOGETHER_SHARE:
            steps.append((fault, faults.pop(0)))
        else:
            steps.append((fault,))
    return steps
