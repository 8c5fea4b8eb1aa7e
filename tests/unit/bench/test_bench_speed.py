"""Figures of speed: ratios of the same round, function samples by what ran, the README's table from the kept run."""

import asyncio
import json
import re
import sys
from inspect import getsource
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from iqstream.bench.at_least_once import PlainProducer
from iqstream.bench.functions import leaves
from iqstream.bench.long_run import LongRun, Mark
from iqstream.bench.pipeline import Run, summary
from iqstream.bench.spent import Spent, measured
from iqstream.bench.tables import (
    CPU,
    LATENCY,
    RATE,
    SCALING,
    SCALING_RATES,
    SPEED,
    latency_table,
    scaling_table,
    speed_table,
)
from iqstream.cli.bench import bench, with_table
from iqstream.cli.bench_speed import RESULTS
from iqstream.lag.advise import WorkerFigures, advise, cost_by_metrics
from iqstream.runtime.transactions import TransactionalTransform

ROOT = Path(__file__).resolve().parents[3]


def run(samples_per_s, cpu_s):
    spent = Spent(
        seconds=100 / samples_per_s,
        cpu_s=dict(cpu_s),
        machine_cpu_s=sum(cpu_s.values()) + 5.0,
        threads_cpu_s={"kafka": {}},
    )
    return Run(samples=100, spent=spent)


def test_a_ratio_is_the_median_of_the_rounds_and_each_round_is_compared_with_the_kernels_beside_it():
    """A machine that is twice as slow in one round moves both, and not their ratio."""
    runs = [
        run(10, {"producer": 4.0, "kafka": 6.0}),
        run(5, {"producer": 8.0, "kafka": 12.0}),
        run(1, {"producer": 50.0, "kafka": 50.0}),
    ]
    found = summary(runs, [(20.0, 40.0), (10.0, 80.0), (10.0, 80.0)], kernels_of="x")
    assert found["ratios"] == {RATE: 0.5, CPU: 0.4}


def test_the_parts_of_a_sample_and_the_others_add_up_to_what_the_machine_spent():
    cost = run(10, {"producer": 4.0, "kafka": 6.0}).cpu_ms()
    assert cost == {"producer": 40.0, "kafka": 60.0, "all": 100.0, "others": 50.0}


def test_a_sample_of_a_stack_counts_for_its_innermost_function():
    stacks = "main (a.py:1);work (b/c.py:20) 3\nmain (a.py:2) 1\nmain (a.py:9);work (b/c.py:21) 4\n"
    assert leaves(stacks) == {"b/c.py:work": 7, "a.py:main": 1}


async def test_cpu_of_a_child_that_has_ended_stays_in_what_was_spent():
    """PostgreSQL ends a process with each connection."""
    work = "import time\nwhile time.process_time() < 0.3: pass"
    async with measured(lambda: {"us": [psutil.Process()]}) as spent:
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", work)
        assert await child.wait() == 0
    assert spent.cpu_s["us"] >= 0.2
    assert spent.seconds >= 0.2


def test_a_table_takes_the_place_between_the_marks_of_its_name_alone():
    page = with_table(with_table("# Title", "--faults", "old"), "pipeline", "speed")
    assert with_table(page, "--faults", "new") == page.replace("old", "new")


@pytest.mark.parametrize(
    "arguments", [[], ["--faults", "3", "--long", "100"], ["--faults", "3", "kernels"], ["--features-only"]]
)
def test_what_to_measure_is_said_once(arguments):
    assert CliRunner().invoke(bench, arguments).exit_code == 2


def kept(name):
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())


@pytest.mark.parametrize(
    ("page", "name", "table"), [("README.md", SPEED, speed_table), ("docs/scaling.md", SCALING, scaling_table)]
)
def test_the_pages_show_the_runs_that_are_kept(page, name, table):
    text = (ROOT / page).read_text()
    assert with_table(text, name, table(*map(kept, RESULTS.values()))) == text


def test_at_least_once_answers_whatever_a_stage_asks_of_its_producer():
    asks = re.compile(r"self\._producer\.(\w+)")
    asked = set(asks.findall(getsource(TransactionalTransform)))
    replaced = set(asks.findall(getsource(TransactionalTransform._commit)))
    assert "standing_position" in asked
    assert [name for name in asked - replaced if not hasattr(PlainProducer, name)] == []


def test_how_soon_is_shown_as_the_run_that_is_kept():
    text = (ROOT / "docs/performance.md").read_text()
    assert with_table(text, LATENCY, latency_table(kept("latency"))) == text


def test_modes_stand_beside_each_other_and_what_one_has_not_is_a_dash():
    table = speed_table(*map(kept, RESULTS.values())).splitlines()
    rows = dict(line.strip("| ").split(" | ", 1) for line in table if line.startswith("| "))
    ratios = [kept(name)["ratios"][CPU] for name in RESULTS.values()]
    assert rows["CPU of the kernels over all CPU"] == " | ".join(f"{ratio:.2f}" for ratio in ratios)
    extractor_ms = kept("pipeline")["cpu_ms_per_sample"]["extractor"]
    assert rows["CPU ms a sample: extractor"] == f"{extractor_ms:.1f} | –"


def test_growth_of_memory_is_that_of_the_worker_that_grew_most_once_all_is_loaded():
    mib = [(50, 50), (200, 150), (220, 150), (225, 190)]
    marks = [
        Mark(samples=n, seconds=n, cpu_s={}, memory_mib={"producer": a, "sink": b}) for n, (a, b) in enumerate(mib)
    ]
    assert LongRun(marks=marks).memory_growth_mib() == 40


def test_scaling_counts_workers_as_advice_does():
    """From a worker's own page of metrics: the same cost gives the same number of extractors."""
    figures, without_frames = map(kept, RESULTS.values())
    busy_s = figures["cpu_ms_per_sample"]["extractor"] / 1000 * 50
    cost = cost_by_metrics([WorkerFigures(stage="extractor", busy_cpu_s=busy_s, recordings=7 * 50, records=7 * 50)])
    row = next(line for line in scaling_table(figures, without_frames).splitlines() if line.startswith("| workers"))
    shown = [int(cell.split(",")[1]) for cell in row.strip("| ").split("|")[1:]]
    assert shown == [advise(rate, 7, cost, 10_000).workers for rate in SCALING_RATES]
