"""`iqstream bench`: faults against the whole pipeline, and long runs, on servers of its own."""

import shutil
import tempfile
from collections.abc import Coroutine
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
from iqstream.runtime.errors import Failed

T = TypeVar("T")


@click.command(epilog="Example: iqstream bench --faults 100 --seed 7 --write docs/faults.md")
@click.option("--faults", type=click.IntRange(min=1), help="Number of faults to inject into the running pipeline.")
@click.option("--long", "long_samples", type=click.IntRange(min=100), help="Number of samples of the dataset.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the plan of faults.")
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where its servers live, a new directory.  [default: a temporary one, kept only after a failure]",
)
@click.option(
    "--write", type=click.Path(dir_okay=False, path_type=Path), help="Also replace the table in this Markdown page."
)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def bench(  # click passes options by name
    faults: int | None,
    long_samples: int | None,
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
    and how much memory the workers take.
    """
    if (faults is None) == (long_samples is None):
        raise click.UsageError("say what to measure: --faults N or --long N")
    path = state_dir or Path(tempfile.mkdtemp(prefix="iqstream-bench-"))
    path.mkdir(parents=True, exist_ok=True)
    problems: list[str] = []
    if faults is not None:
        result = _run(run_campaign(path, plan_faults(faults, seed), seed=seed, tell=_tell), path)
        _show("faults", markdown(result), as_json(result), write, json_=json_)
        problems = result.problems() + late(result.steps)
    elif long_samples is not None:
        measured = _run(long_run(path, long_samples, _tell), path)
        _show("long", measured.markdown(), msgspec.to_builtins(measured), write, json_=json_)
    if problems:
        raise Failed(f"the faults left traces: {'; '.join(problems)}. Logs are in {path / 'logs'}.")
    if state_dir is None:
        shutil.rmtree(path, ignore_errors=True)


def _run(work: Coroutine[Any, Any, T], path: Path) -> T:
    try:
        return uvloop.run(work)
    except Failed as error:
        raise Failed(f"{error}\nAll logs are in {path / 'logs'}.") from None


def _tell(line: str) -> None:
    say(f"{datetime.now().astimezone():%H:%M:%S} {line}", err=True)


def _show(name: str, table: str, document: object, page: Path | None, *, json_: bool) -> None:
    if json_:
        say_json(document)
    else:
        say(*table.splitlines())
    if page is not None:
        replace_table(page, name, table)


def replace_table(page: Path, name: str, table: str) -> None:
    """Puts a table between the page's marks of that name, at its end where it has none."""
    begin, end = f"<!-- iqstream bench --{name}: written by the command -->", f"<!-- end of --{name} -->"
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    section = f"{begin}\n{table}\nMeasured {datetime.now(UTC):%Y-%m-%d} with iqstream {__version__}.\n{end}"
    if begin in text and end in text:
        text = text[: text.index(begin)] + section + text[text.index(end) + len(end) :]
    else:
        text = f"{text.rstrip()}\n\n{section}\n".lstrip()
    page.write_text(text, encoding="utf-8")
