"""`iqstream bench`: faults against the whole pipeline, long runs, and how fast it is, on servers of its own."""

import shutil
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
import uvloop

from iqstream import __version__
from iqstream.bench.campaign import run_campaign
from iqstream.bench.long_run import long_run
from iqstream.bench.plan import plan_faults
from iqstream.bench.report import as_json, late, markdown
from iqstream.cli.console import say, say_json
from iqstream.cli.lazy import LazyGroup
from iqstream.cli.numbers import WholeNumber
from iqstream.runtime.errors import Failed

T = TypeVar("T")


@click.group(
    cls=LazyGroup,
    modules=dict.fromkeys(("kernels", "latency", "pipeline", "scale"), "bench_speed"),
    invoke_without_command=True,
    epilog="Example: iqstream bench --faults 100 --seed 7 --write docs/faults.md",
)
@click.option("--faults", type=WholeNumber(min=1), help="Number of faults to inject into the running pipeline.")
@click.option("--long", "long_samples", type=WholeNumber(min=100), help="Number of samples of the dataset.")
@click.option("--features-only", is_flag=True, help="With --long: no frames are published, 50 ms are recorded.")
@click.option("--seed", type=WholeNumber(min=0), default=0, show_default=True, help="Seed of the plan of faults.")
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where its servers live, a new directory.  [default: a temporary one, kept only after a failure]",
)
@click.option(
    "--write", type=click.Path(dir_okay=False, path_type=Path), help="Also replace the table in this Markdown page."
)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
@click.pass_context
def bench(  # click passes options by name
    context: click.Context,
    faults: int | None,
    long_samples: int | None,
    features_only: bool,  # noqa: FBT001
    seed: int,
    state_dir: Path | None,
    write: Path | None,
    json_: bool,  # noqa: FBT001
) -> None:
    """Measure the pipeline on Kafka, PostgreSQL and S3 servers of its own.

    `--faults N` kills workers, whole stages and servers, freezes workers past their session, adds and removes members,
    cuts, slows and refuses connections, all by a seeded plan; then it reads everything back and compares it with an
    undisturbed run. Exit code 1 if anything is lost, doubled or different, or if a fault was over too late.

    `--long N` makes one dataset of N samples, 200 ms recorded of each, and shows for each tenth what a sample costs
    and how much memory the workers take; with `--features-only` 50 ms, and no frames.

    The commands below measure speed.
    """
    if context.invoked_subcommand is not None:
        if faults is not None or long_samples is not None:
            raise click.UsageError(f"--faults and --long are no options of {context.invoked_subcommand}")
        return
    if features_only and long_samples is None:
        raise click.UsageError("--features-only goes with --long")
    if (faults is None) == (long_samples is None):
        raise click.UsageError("say what to measure: --faults N, --long N, or a command")
    with bench_folder(state_dir) as path:
        problems: list[str] = []
        if faults is not None:
            result = run(run_campaign(path, plan_faults(faults, seed), seed=seed, tell=tell), path)
            _show("--faults", markdown(result), as_json(result), write, json_=json_)
            problems = result.problems() + late(result.steps)
        elif long_samples is not None:
            measured = run(long_run(path, long_samples, "features" if features_only else "frames", tell), path)
            _show(
                "--long, features only" if features_only else "--long",
                measured.markdown(),
                msgspec.to_builtins(measured),
                write,
                json_=json_,
            )
        if problems:
            raise Failed(f"the faults left traces: {'; '.join(problems)}. Logs are in {path / 'logs'}.")


@contextmanager
def bench_folder(state_dir: Path | None) -> Iterator[Path]:
    """Where the servers of a bench live: a temporary folder is kept only after a failure."""
    path = state_dir or Path(tempfile.mkdtemp(prefix="iqstream-bench-"))
    path.mkdir(parents=True, exist_ok=True)
    yield path
    if state_dir is None:
        shutil.rmtree(path, ignore_errors=True)


def run(work: Coroutine[Any, Any, T], path: Path) -> T:
    """Runs a bench to its end; a failure says where its logs are."""
    try:
        return uvloop.run(work)
    except Failed as error:
        raise Failed(f"{error}\nAll logs are in {path / 'logs'}.") from None


def tell(line: str) -> None:
    """Shows a line with the time of day."""
    say(f"{datetime.now().astimezone():%H:%M:%S} {line}", err=True)


def _show(name: str, table: str, document: object, page: Path | None, *, json_: bool) -> None:
    if json_:
        say_json(document)
    else:
        say(*table.splitlines())
    if page is not None:
        replace_table(page, name, f"{table}\nMeasured {datetime.now(UTC):%Y-%m-%d} with iqstream {__version__}.")


def replace_table(page: Path, name: str, table: str) -> None:
    """Puts a table between the page's marks of that name, at its end where it has none."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    page.write_text(with_table(text, name, table), encoding="utf-8")


def with_table(text: str, name: str, table: str) -> str:
    """Returns a page's text with a table between the marks of that name."""
    begin, end = f"<!-- iqstream bench {name}: written by the command -->", f"<!-- end of {name} -->"
    section = f"{begin}\n{table}\n{end}"
    if begin in text and end in text:
        return text[: text.index(begin)] + section + text[text.index(end) + len(end) :]
    return f"{text.rstrip()}\n\n{section}\n".lstrip()
