"""`iqstream bench kernels`, `pipeline`, `scale` and `latency`: how fast it is, and how soon."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from iqstream.bench.kernels import measure_kernels
from iqstream.bench.latency import measure_latency
from iqstream.bench.pipeline import measure_pipeline, workers_of
from iqstream.bench.scale import measure_scale
from iqstream.bench.tables import (
    LATENCY,
    SCALING,
    SPEED,
    figures,
    latency_table,
    scaling_table,
    speed_table,
)
from iqstream.cli.bench import bench_folder, replace_table, run, tell
from iqstream.cli.console import say, say_json
from iqstream.cli.numbers import WholeNumber
from schemas.dataset import Publish

F = TypeVar("F", bound=Callable[..., Any])
RESULTS: Mapping[Publish, str] = {"frames": "pipeline", "features": "pipeline-features"}
"""The file that keeps a mode's run."""
_FOLDER = click.Path(file_okay=False, path_type=Path)


def _baseline(command: F) -> F:
    return click.option(
        "--baseline",
        type=_FOLDER,
        help="A checkout of another commit, whose kernels to compare with (with its own .venv, where it has one).",
    )(command)


def _output(command: F) -> F:
    keep = click.option("--results", type=_FOLDER, help="Also keep the figures in this folder, as JSON.")
    return keep(click.option("--json", "json_", is_flag=True, help="Print JSON.")(command))


@click.command(epilog="Example: iqstream bench kernels --baseline ../iqstream-38a0384")
@click.option("--rounds", type=WholeNumber(min=5), default=9, show_default=True, help="Figures are their medians.")
@_baseline
@_output
def kernels(rounds: int, baseline: Path | None, results: Path | None, json_: bool) -> None:  # noqa: FBT001
    """What synthesis and extraction cost on one core, beside the FFTs and the noise that they cannot do without."""
    _show("kernels", measure_kernels(rounds, baseline), results, json_=json_)


@click.command(epilog="Example: iqstream bench pipeline --baseline ../iqstream-38a0384 --write .")
@click.option("--samples", type=WholeNumber(min=20), default=300, show_default=True, help="Of a round.")
@click.option("--rounds", type=WholeNumber(min=1), default=5, show_default=True, help="Figures are their medians.")
@click.option(
    "--workers",
    type=WholeNumber(1, 64),
    help="Of producer and of extractor.  [default: half the cores; all for features only]",
)
@click.option("--features-only", is_flag=True, help="Datasets that publish no frames: producers extract.")
@click.option("--functions", is_flag=True, help="Also sample the workers' functions, by py-spy, in a round more.")
@click.option("--state-dir", type=_FOLDER, help="Where its servers live.  [default: a temporary directory]")
@click.option(
    "--write",
    type=_FOLDER,
    help="Also keep the figures in this checkout, and write its tables (README.md, docs/scaling.md) from those kept.",
)
@_baseline
@_output
def pipeline(
    samples: int,
    rounds: int,
    workers: int | None,
    features_only: bool,  # noqa: FBT001
    functions: bool,  # noqa: FBT001
    state_dir: Path | None,
    write: Path | None,
    baseline: Path | None,
    results: Path | None,
    json_: bool,  # noqa: FBT001
) -> None:
    """The whole pipeline, full-size samples, exactly once, in turns with its kernels alone on all cores.

    Shows the share of the machine that is signal processing: samples per second over those of the kernels, and CPU of
    the kernels over that of all processes; then what every process costs a sample, and the broker by Kafka's own tools.
    """
    publish: Publish = "features" if features_only else "frames"
    of_stage = workers_of(publish, workers)
    with bench_folder(state_dir) as path:
        work = measure_pipeline(
            path,
            samples=samples,
            rounds=rounds,
            workers=of_stage,
            publish=publish,
            baseline=baseline,
            functions=functions,
            tell=tell,
        )
        document = run(work, path)
    name = RESULTS[publish]
    if write is not None:
        _keep(name, document, write / "benchmarks" / "results")
        runs = [_kept(one, write / "benchmarks" / "results") for one in RESULTS.values()]
        replace_table(write / "README.md", SPEED, speed_table(*filter(None, runs)))
        if all(runs):
            replace_table(write / "docs" / "scaling.md", SCALING, scaling_table(*runs))
    _show(name, document, results, json_=json_)


@click.command(epilog="Example: iqstream bench scale --size 500 --size 2000 --results benchmarks/results")
@click.option("--samples", type=WholeNumber(min=40), default=150, show_default=True, help="Of a round.")
@click.option("--rounds", type=WholeNumber(min=1), default=3, show_default=True, help="Ratios are their medians.")
@click.option("--size", "sizes", type=WholeNumber(min=20), multiple=True, help="A dataset of so many samples, too.")
@click.option("--state-dir", type=_FOLDER, help="Where its servers live.  [default: a temporary directory]")
@_output
def scale(
    samples: int,
    rounds: int,
    sizes: tuple[int, ...],
    state_dir: Path | None,
    results: Path | None,
    json_: bool,  # noqa: FBT001
) -> None:
    """What a second extractor brings, what exactly once costs, what a sample costs in larger datasets.

    The extractors read frames that are all there before they start, while nobody produces. Exactly once and at least
    once, with one worker of each stage, take turns. Datasets of `--size` are made one after the other, features only:
    what grows with a dataset is in PostgreSQL.
    """
    with bench_folder(state_dir) as path:
        document = run(measure_scale(path, samples=samples, sizes=sizes, rounds=rounds, tell=tell), path)
    _show("scale", document, results, json_=json_)


@click.command(epilog="Example: iqstream bench latency --write . --results benchmarks/results")
@click.option("--rounds", type=WholeNumber(min=1), default=5, show_default=True, help="Figures are their medians.")
@click.option("--iq-samples", type=WholeNumber(min=10), default=50, show_default=True, help="Whose IQ is saved.")
@click.option("--state-dir", type=_FOLDER, help="Where its servers live.  [default: a temporary directory]")
@click.option("--write", type=_FOLDER, help="Also replace the table of this checkout, in docs/performance.md.")
@_output
def latency(
    rounds: int,
    iq_samples: int,
    state_dir: Path | None,
    write: Path | None,
    results: Path | None,
    json_: bool,  # noqa: FBT001
) -> None:
    """How soon the first row of a dataset is there, and how fast IQ is saved, full-size samples.

    A row of stages that were idle, since its submission returned; a sample since the stages were started, as many as
    the demo's; and IQ that waits, since the store was away, until every sample is decided.
    """
    with bench_folder(state_dir) as path:
        document = run(measure_latency(path, rounds=rounds, iq_samples=iq_samples, tell=tell), path)
    if write is not None:
        replace_table(write / "docs" / "performance.md", LATENCY, latency_table(document))
    _show("latency", document, results, json_=json_)


def _show(name: str, document: dict[str, Any], results: Path | None, *, json_: bool) -> None:
    if results is not None:
        _keep(name, document, results)
    if json_:
        say_json(document)
    else:
        say(*figures(document))


def _keep(name: str, document: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")


def _kept(name: str, folder: Path) -> dict[str, Any]:
    """Returns the figures of the last run that is kept; none where there is none."""
    path = folder / f"{name}.json"
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any]) if path.exists() else {}
