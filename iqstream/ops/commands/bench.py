"""`iqstream bench`: faults against the whole pipeline, and long runs, on servers of its own."""

import json
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
import uvloop

from iqstream import __version__
from iqstream.ops.bench.campaign import CampaignResult, run_campaign
from iqstream.ops.bench.plan import plan_faults
from iqstream.ops.bench.report import as_json, markdown
from iqstream.runtime.errors import Failed


@click.command(epilog="Example: iqstream bench --faults 100 --seed 7 --write docs/faults.md")
@click.option("--faults", type=click.IntRange(min=1), help="Do this to the running pipeline, this often.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the plan.")
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where its servers live, a new directory.  [default: a temporary one, kept only after a failure]",
)
@click.option(
    "--write", type=click.Path(dir_okay=False, path_type=Path), help="Also replace the table in this Markdown page."
)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def bench(faults: int | None, seed: int, state_dir: Path | None, write: Path | None, json_: bool) -> None:  # noqa: FBT001
    """Measure the pipeline on Kafka, PostgreSQL and S3 servers of its own.

    `--faults N` kills workers, whole stages and servers, freezes workers past their session, adds and removes members,
    cuts, slows and refuses connections, all by a seeded plan; then it reads everything back and compares it with an
    undisturbed run. Exit code 1 if anything is lost, doubled or different.
    """
    if faults is None:
        raise click.UsageError("say what to measure: --faults N")

    def tell(line: str) -> None:
        click.echo(f"{datetime.now().astimezone():%H:%M:%S} {line}", err=True)

    steps = plan_faults(faults, seed)
    result = _in_directory(state_dir, lambda path: uvloop.run(run_campaign(path, steps, seed=seed, tell=tell)))
    click.echo(json.dumps(as_json(result)) if json_ else markdown(result))
    if write is not None:
        replace_table(write, result)
    if problems := result.problems():
        raise Failed(f"the faults left traces: {'; '.join(problems)}")


def _in_directory(state_dir: Path | None, run: Callable[[Path], CampaignResult]) -> CampaignResult:
    """Runs in the directory, or in a new one that is removed unless the run fails."""
    if state_dir is not None:
        return run(state_dir)
    path = Path(tempfile.mkdtemp(prefix="iqstream-bench-"))
    try:
        result = run(path)
    except Failed as error:
        raise Failed(f"{error}\nServers' and stages' logs are kept in {path / 'logs'}.") from None
    if not result.problems():
        shutil.rmtree(path, ignore_errors=True)
    return result


BEGIN, END = "<!-- table: iqstream bench --faults -->", "<!-- end of table -->"


def replace_table(page: Path, result: CampaignResult) -> None:
    """Puts a campaign's table between the page's marks, at its end where it has none."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    made = f"{datetime.now(UTC):%Y-%m-%d}, iqstream {__version__}"
    table = f"{BEGIN}\n{markdown(result)}\n({made})\n{END}"
    if BEGIN in text and END in text:
        text = text[: text.index(BEGIN)] + table + text[text.index(END) + len(END) :]
    else:
        text = f"{text.rstrip()}\n\n{table}\n"
    page.write_text(text, encoding="utf-8")
