"""Figures of the benches as text and as tables. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from iqstream.lag.advise import UTILISATION, Cost, advise
from iqstream.runtime.stages import PRODUCER, SINK, STAGES, Stage

SPEED, SCALING, LATENCY = "pipeline", "pipeline: scaling", "latency"
"""The names of the tables between a page's marks."""
SCALING_RATES = (10, 100, 1000)
_RECEIVERS = 7
_FEATURES_MB, _ROW_MB = 0.0153, 0.0085
"""Of a sample: its feature records (ADR 72), and its row with indexes."""
_MOST_PARTITIONS = 10_000
RATE = "samples/s over the kernels'"
CPU = "kernels' CPU over all CPU"
PER_MB = "broker_cpu_ms_per_mb"
BROKER_MS = "broker, CPU ms per MB"
PRODUCED = "producer, MB/s"
CONSUMED = "consumer, MB/s"
FIRST_ROW = "first row after a submission to idle stages, s"
FIRST_SAMPLE = "first sample after the stages' start, s"
SAVED = "IQ saved while stages are idle, samples/s"
LOAD = "processes that wanted a core before it began"
_MODES = {"frames": "with frames", "features": "features only"}
_PARTS = {
    "producer": "producer",
    "extractor": "extractor",
    "kafka": "Kafka",
    "sink": "sink",
    "postgres": "PostgreSQL",
    "s3": "S3 server",
    "services": "supervisors",
    "all": "**all**",
    "kernels": "kernels alone",
}


def figures(document: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Yields a line for every figure of a document."""
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name}"
            yield from figures(value, indent + "  ")
        else:
            yield f"{indent}{name:{48 - len(indent)}} {value}"


def speed_table(*runs: Mapping[str, Any]) -> str:
    """Returns a table with a column for each run of the pipeline, ratios first; a dash for what a run has not."""
    columns = [_speeds(run) for run in runs]
    names = dict.fromkeys(name for column in columns for name in column)
    head = [_MODES[run["publish"]] for run in runs]
    return "\n".join(
        [
            f"| full-size samples, exactly once, everything on one machine | {' | '.join(head)} |",
            "|---" + "|---:" * len(runs) + "|",
            *(f"| {name} | {' | '.join(column.get(name, '–') for column in columns)} |" for name in names),
            *(line for run in runs for line in ("", _how(run))),
        ]
    )


def _speeds(run: Mapping[str, Any]) -> dict[str, str]:
    ratios, cost, rates = run["ratios"], run["cpu_ms_per_sample"], run["samples_per_s"]
    found = {
        "samples/s over those of the kernels alone, on all cores": f"{ratios[RATE]:.2f}",
        "CPU of the kernels over all CPU": f"{ratios[CPU]:.2f}",
        "samples/s, pipeline and kernels": f"{rates['pipeline']:.1f}, {rates['kernels']:.1f}",
    }
    found |= {f"CPU ms a sample: {shown}": f"{cost[part]:.1f}" for part, shown in _PARTS.items() if part in cost}
    if PER_MB in run:
        tools_ms = run["broker_by_its_tools"][BROKER_MS]
        found["broker, CPU ms per MB: pipeline, Kafka's own tools"] = f"{run[PER_MB]:.1f}, {tools_ms:.1f}"
    return found


def _how(run: Mapping[str, Any]) -> str:
    cost, tools = run["cpu_ms_per_sample"], run["broker_by_its_tools"]
    kernels = "the same commit" if run["kernels_of"] == "here" else run["kernels_of"]
    others = cost["others"] / (cost["all"] + cost["bench"] + cost["others"])
    workers = ", ".join(f"{count} {stage}{'s' * (count > 1)}" for stage, count in run["workers"].items())
    limits = ", ".join(f"{name.rpartition(', ')[0]} {value:g} {name.rpartition(', ')[2]}"
                       for name, value in run["limits"].items())  # fmt: skip
    return (
        f"{_MODES[run['publish']].capitalize()}: medians of rounds of {run['samples']:,} samples with {workers}, "
        f"beside the kernels of {kernels}; {run['cpu']}, commit {run['commit']}, {run['date']}; other work took "
        f"{others:.0%} of the machine's CPU. In the same run: {limits}; Kafka's tools {tools[PRODUCED]:.0f} MB/s in, "
        f"{tools[CONSUMED]:.0f} MB/s out."
    )


def latency_table(document: Mapping[str, Any]) -> str:
    """Returns the table of a run of `bench latency`."""
    names = (FIRST_ROW, FIRST_SAMPLE, SAVED)
    return "\n".join(
        [
            "| full-size samples, everything on one machine | |",
            "|---|---:|",
            *(f"| {name} | {document[name]} |" for name in names),
            "",
            (
                f"{document['cpu']}, commit {document['commit']}, {document['date']}; before it began, other work kept "
                f"{document[LOAD]:.1f} processes at once running or waiting for a core."
            ),
        ]
    )


def scaling_table(document: Mapping[str, Any], without_frames: Mapping[str, Any]) -> str:
    """Returns what rates need, by the costs of a run in each mode and the rule of `lag --advise`."""
    ms, ms_without = document["cpu_ms_per_sample"], without_frames["cpu_ms_per_sample"]
    rows: dict[str, list[str]] = {}

    def add(name: str, *values: str) -> None:
        rows.setdefault(name, []).extend(values)

    for rate in SCALING_RATES:
        workers = [_advised(stage, rate, ms) for stage in STAGES.values()]
        frames_mb = rate * document["mb_per_sample"]
        add("workers: producer, extractor, sink", ", ".join(map(str, workers)))
        add("`IQSTREAM_PARTITIONS`, at least", str(max(12, *workers)))
        add("cores of the brokers, one copy", f"{rate * ms['kafka'] / 1000 / UTILISATION:.1f}")
        add("cores of PostgreSQL", f"{rate * ms['postgres'] / 1000 / UTILISATION:.1f}")
        add("frames, MB/s into and out of the brokers", f"{frames_mb:,.0f} and {frames_mb:,.0f}")
        without = [_advised(stage, rate, ms_without) for stage in (PRODUCER, SINK)]
        add("without frames, workers: producer, sink", ", ".join(map(str, without)))
        add("without frames, cores of the brokers", f"{rate * ms_without['kafka'] / 1000 / UTILISATION:.1f}")
        add("without frames, MB/s", f"{rate * _FEATURES_MB:.2f}")
        add(
            "written to keep, GB a day: feature records, rows",
            f"{rate * 86.4 * _FEATURES_MB:,.0f}, {rate * 86.4 * _ROW_MB:,.0f}",
        )
    head = "| samples/s | " + " | ".join(f"{rate:,}" for rate in SCALING_RATES) + " |"
    lines = [f"| {name} | {' | '.join(values)} |" for name, values in rows.items()]
    return "\n".join([head, "|---" + "|---:" * len(SCALING_RATES) + "|", *lines])


def _advised(stage: Stage, rate: float, ms: Mapping[str, float]) -> int:
    """Workers of a stage, as `lag --advise` counts them."""
    cost = Cost(seconds=ms[stage.name] / 1000 / _RECEIVERS, source="a run")
    return advise(rate, _RECEIVERS, cost, _MOST_PARTITIONS, stage).workers
