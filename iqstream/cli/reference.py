"""The pages under docs that are written from the code they describe: the reference and the table of features.

`python -m iqstream.cli.reference --write` writes them, `--check` fails when one is not what the code says.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields
from pathlib import Path

import click

from extractor.features.spectrum import SHORTEST_SEGMENT
from iqstream.cli.console import say
from iqstream.cli.main import iqstream
from iqstream.ingest.live.figures import LISTEN_METRICS
from iqstream.lag.metrics import LAG_METRICS
from iqstream.runtime.metrics import METRICS, MetricSpec
from iqstream.runtime.postgres_address import OPTIONS
from iqstream.runtime.settings import PREFIX, Settings, setting_of
from iqstream.web.openapi import openapi_document
from schemas.features import FADING_ALLOWANCE, FEATURE_TABLE, GOAL_CHUNK_SAMPLES, STATISTICS, Feature
from schemas.pair_measurement import PAIR_TABLE

FOLDER = Path("docs")
_NOTE = "<!-- Written by `make docs` from the code: do not edit. -->\n\n"


def pages() -> dict[str, str]:
    """Every page by its path under docs."""
    return {
        "features.md": features_page(),
        "reference/cli.md": cli_page(),
        "reference/openapi.json": openapi_page(),
        "reference/metrics.md": metrics_page(),
        "reference/settings.md": settings_page(),
    }


def features_page() -> str:
    """The table of the features, and that of their goals."""
    measured = (
        "# Features\n\nEach is measured in every chunk (200 ms by default) of a recording x; |x|^2 is power in mW. A "
        f"record holds its {', '.join(STATISTICS[:-1])} and {STATISTICS[-1]} over the chunks, all counted alike; the "
        "standard deviation is that of the population, and of levels in dBm it is in dB. `fs` is the sample rate. "
        "*Silence* is a chunk of -300 dBm or less, *no signal* one in which `signal_present` is 0. A chunk of fewer "
        f"than {SHORTEST_SEGMENT} samples has no spectrum: its noise floor is its RSSI, its PSD that over fs, and no "
        "signal is found in it.\n\n"
        "| feature | definition | unit | range | silence | no signal | source |\n|---|---|---|---|---|---|---|\n"
    )
    goals = (
        f"\n## Accuracy\n\nGoals for chunks of {GOAL_CHUNK_SAMPLES:,} samples in white noise, SNR in the full "
        f"bandwidth; a fading channel adds {FADING_ALLOWANCE:g} of its maximum Doppler shift to the goal of "
        "`frequency_offset_hz`. What is reached, beside the theoretical bounds: [fidelity.md](fidelity.md).\n\n"
        "| feature | goal |\n|---|---|\n"
    )
    pairs = (
        "\n## Pairs of receivers\n\n`extractor.pairs.measure_pairs` measures these for each pair of receivers a and b "
        "of one sample. How far they locate: [locating.md](locating.md). Datasets with `pairs: true` have them for "
        "every accepted sample, by name [in PostgreSQL](datasets.md) and in this order [in a stream](streaming.md), as "
        '`x["pairs"]`.\n\n'
        "| quantity | definition | unit | source |\n|---|---|---|---|\n"
    )
    table = FEATURE_TABLE.values()
    rows = [
        _row(f"`{f.name}`", f.definition, f.unit, _range(f), f"{f.silent:g}", f.undetected, f.source) for f in table
    ]
    reached = [_row(f"`{f.name}`", goal.text) for f in table for goal in f.goals]
    between = [_row(f"`{q.name}`", q.definition, q.unit, q.source) for q in PAIR_TABLE.values()]
    return _NOTE + measured + "".join(rows) + goals + "".join(reached) + pairs + "".join(between)


def _range(feature: Feature) -> str:
    low, high = (f"{bound:g}{' fs' if feature.of_rate and bound else ''}" for bound in (feature.low, feature.high))
    return f"{low} and more" if high == "inf" else f"{low} to {high}"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def cli_page() -> str:
    """The help of every command."""
    sections = [
        f"## `{path}`\n\n```\n{context.get_help()}\n```\n" for path, context in _contexts(iqstream, "iqstream", None)
    ]
    return _NOTE + "# Command line\n\n" + "\n".join(sections)


def _contexts(command: click.Command, path: str, parent: click.Context | None) -> Iterator[tuple[str, click.Context]]:
    context = click.Context(
        command,
        info_name=path.rsplit(" ", maxsplit=1)[-1],
        parent=parent,
        terminal_width=100,
        **command.context_settings,
    )
    yield path, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _contexts(child, f"{path} {name}", context)


def openapi_page() -> str:
    """The OpenAPI document of the dashboard's HTTP API."""
    return json.dumps(openapi_document(), indent=1, ensure_ascii=False) + "\n"


def metrics_page() -> str:
    """The tables of metrics."""
    workers = (
        "# Metrics\n\nEvery worker serves them at `/metrics` on its own port, with the usual `process_*`. "
        "`/healthz` beside them answers 200 while its event loop turns, 503 when it has stood still for 30 s.\n\n"
    )
    exporter = (
        "\n## Lag\n\n`iqstream lag --serve PORT` serves these; the names that other lag exporters have too are theirs. "
        "A figure that is not known has no series.\n\n"
    )
    listening = "\n## Listening\n\n`iqstream listen --serve PORT` serves these.\n\n"
    stages_and_lag = workers + _metrics_table(METRICS, "stage") + exporter + _metrics_table(LAG_METRICS)
    return _NOTE + stages_and_lag + listening + _metrics_table(LISTEN_METRICS)


def _metrics_table(specs: Sequence[MetricSpec], *common_labels: str) -> str:
    rows = [
        f"| `{spec.name}{'_total' if spec.kind == 'counter' else ''}` | {spec.kind} | "
        f"{', '.join((*common_labels, *spec.labels))} | {spec.meaning} |\n"
        for spec in specs
    ]
    return "| name | kind | labels | meaning |\n|---|---|---|---|\n" + "".join(rows)


def settings_page() -> str:
    """The table of settings."""
    rows = []
    for item in fields(Settings):
        default = "required" if item.default is MISSING else f"`{item.default}`" if item.default != "" else ""
        secret = "" if item.repr else "yes"
        rows.append(f"| `{PREFIX}{item.name.upper()}` | {setting_of(item.name).meaning} | {default} | {secret} |\n")
    head = (
        "# Settings\n\nEnvironment variables; `.iqstream/env` (written by `iqstream up`) gives those that are not set. "
        "Any of them may be given as a file's content by adding `_FILE` to its name. Other variables that begin with "
        "`IQSTREAM_` are left alone; one that looks like a setting misspelt is warned of.\n\n"
        "`IQSTREAM_STATE_DIR` (default `.iqstream`) is the directory of the embedded servers, `env` included; "
        "`IQSTREAM_CACHE_DIR` (default `~/.cache/iqstream`) keeps Kafka's jars.\n\n"
    )
    dsn = (
        "\n## PostgreSQL's address\n\n"
        "`postgresql://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?OPTION=VALUE&OPTION=VALUE`. What is special in an "
        "address is percent-encoded within its parts: `@` as `%40`, `/` as `%2F`, `?` as `%3F`, `#` as `%23`, `%` as "
        "`%25`. Of several hosts the first is taken that can be written to (`target_session_attrs` says otherwise). A "
        "Unix socket is `?host=/run/postgresql`. The options are libpq's: "
        + ", ".join(f"`{name}`" for name in sorted(OPTIONS))
        + ". Others are refused; settings of the server go into `options=-c%20NAME%3DVALUE`.\n"
    )
    table = "| variable | meaning | default | secret |\n|---|---|---|---|\n" + "".join(rows)
    return _NOTE + head + table + dsn


def main(arguments: list[str]) -> int:
    """Writes or checks the pages; the exit code."""
    stale = []
    for name, text in pages().items():
        path = FOLDER / name
        if arguments == ["--write"]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(str(path))
    if stale:
        say(f"Not what the code says: {', '.join(stale)}. Run `make docs` and commit the result.", err=True)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
