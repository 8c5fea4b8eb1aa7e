"""The last screen of a demo, as wide as the console is: tables and sentences of what it came to."""

import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from iqstream.catalogue.datasets import generated_spec
from iqstream.catalogue.outcomes import Place
from iqstream.cli.console import Console
from iqstream.cli.duration import duration
from iqstream.cli.tables import print_whole, result_table
from iqstream.demo.results import DemoResults
from iqstream.plot.truth import BANDS, QUANTITIES, Accuracy, RecordingErrors, accuracy
from iqstream.runtime.settings import DEFAULT_STATE_DIR, STATE_DIR_VARIABLE
from schemas import VERDICTS, Verdict

_NONE = "-"
_PLACES: tuple[Place, ...] = ("inside", "outside", "unknown")
_FIGURE_WIDTH = 6


def show_demo(results: DemoResults, console: Console, *, state_dir: Path, servers_stay: bool) -> None:
    """Prints the screen. `servers_stay`: whether the embedded servers still run when the reader has read it."""
    console.print()
    print_whole(console, outcome_table(results.counts))
    for line in (rate_line(results), kill_line(results)):
        console.print(line, soft_wrap=True)
    console.print()
    console.print(truth_title(results), style="bold", soft_wrap=True)
    print_whole(console, accuracy_table(results.errors))
    for query, rows in results.answers:
        console.print()
        for line in query.split("\n"):
            console.print(line, style="bold", soft_wrap=True)
        print_whole(console, result_table(rows))
    console.print()
    for line in stored_lines(results, state_dir):
        console.print(line, soft_wrap=True)
    console.print()
    console.print("Next", style="bold")
    for line in next_commands(results.dataset.name, state_dir, servers_stay=servers_stay):
        console.print(f"  {line}", soft_wrap=True)


def outcome_table(counts: Counter[tuple[Verdict, str | None, Place]]) -> Table:
    """Samples by outcome and reason; inside and outside the network apart."""
    places = [place for place in _PLACES if place != "unknown" or any(key[2] == place for key in counts)]
    table = Table(box=None, pad_edge=False)
    table.add_column("samples")
    for column in (*places, "all"):
        table.add_column(column, justify="right")

    def add(words: str, of: Counter[Place]) -> None:
        table.add_row(words, *(str(of[place]) for place in places), str(of.total()))

    for verdict in VERDICTS:
        of_verdict: Counter[Place] = Counter()
        of_reason: dict[str, Counter[Place]] = {}
        for (its_verdict, reason, place), samples in sorted(counts.items(), key=lambda item: -item[1]):
            if its_verdict == verdict:
                of_verdict[place] += samples
                if reason is not None:
                    of_reason.setdefault(reason, Counter())[place] += samples
        add(verdict, of_verdict)
        for reason, of in of_reason.items():
            add(f"  {reason}", of)
    return table


def rate_line(results: DemoResults) -> str:
    """How fast it went, and what is left to do."""
    pace = results.pace
    parts = [f"the first after {duration(pace.first_after_s)}"]
    if pace.samples_per_s is not None:
        iq_seconds_per_s = pace.samples_per_s * pace.iq_seconds_per_sample
        parts.append(f"then {pace.samples_per_s:.1f} samples/s = {iq_seconds_per_s:.0f} IQ-seconds/s")
    parts.append(f"backlog {'unknown' if results.backlog is None else results.backlog}")
    return f"{results.dataset.decided} samples in {duration(pace.seconds)}: {', '.join(parts)}"


def kill_line(results: DemoResults) -> str:
    """What the killed worker cost."""
    found = f"{results.completeness.lost} lost, {results.completeness.doubled} doubled"
    kill = results.kill
    if kill is None:
        return f"Killed no extractor, the samples were decided too soon: {found}"
    back = "not needed any more" if kill.back_s is None else f"back in {kill.back_s:.1f} s"
    return f"Killed extractor {kill.slot} at sample {kill.at_sample}: {found}, {back}"


def truth_title(results: DemoResults) -> str:
    """What the table of errors is about."""
    capture = generated_spec(results.dataset).capture
    chunks = -(-capture.capture_ms // capture.chunk_ms)
    over = f"means of {chunks} chunks" if chunks > 1 else "one chunk each"
    return f"Measured against truth: {over}, by SNR in the full bandwidth, dB"


def accuracy_table(errors: Sequence[RecordingErrors]) -> Table:
    """Bias, RMS error and goal by quantity and band of SNR with recordings in it; a dash where there is no goal."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("SNR, dB", no_wrap=True)
    by_band = accuracy(errors)
    for band, cell in zip(BANDS, by_band[0], strict=True):
        if cell is not None:
            table.add_column(band.label, justify="right", min_width=_FIGURE_WIDTH)
    by_quantity = [[cell for cell in cells if cell is not None] for cells in by_band]
    table.add_row("recordings", *(str(cell.recordings) for cell in by_quantity[0]))
    for quantity, cells in zip(QUANTITIES, by_quantity, strict=True):
        table.add_row(f"{quantity.name} bias, {quantity.unit}", *(_of(cell, "bias") for cell in cells))
        table.add_row("  RMS", *(_of(cell, "rms") for cell in cells))
        table.add_row("  goal", *(_of(cell, "goal") for cell in cells))
        table.add_row("", *(_verdict(cell) for cell in cells))
    return table


def _of(cell: Accuracy, name: str) -> str:
    value = getattr(cell, name)
    return _NONE if value is None else short_figure(value, signed=name == "bias")


def _verdict(cell: Accuracy) -> Text:
    if cell.met is None:
        return Text(_NONE)
    return Text("met", style="green") if cell.met else Text("not yet", style="yellow")


def short_figure(value: float, *, signed: bool = False) -> str:
    """A number in at most 6 characters, with up to 3 decimals, where that is possible."""
    sign = "+" if signed else ""
    for decimals in (3, 2, 1, 0):
        text = f"{value:{sign}.{decimals}f}"
        if len(text) <= _FIGURE_WIDTH:
            return text
    return f"{value:{sign}.0e}"


def stored_lines(results: DemoResults, state_dir: Path) -> list[str]:
    """Objects, disk and picture."""
    folders = {name.rsplit("/", 1)[0] for name in results.objects}
    example = f", as {results.objects[0]}" if results.objects else ""
    return [
        f"{len(results.objects)} objects in {len(folders)} folders of {results.bucket}{example}",
        f"{results.disk_bytes / 2**30:.2f} GiB of disk used by {state_dir}, earlier datasets included",
        f"Picture: {results.picture}",
    ]


def next_commands(dataset_name: str, state_dir: Path, *, servers_stay: bool) -> list[str]:
    """Four commands to go on with, as they can be typed here, each with what it does."""
    program = program_name()
    if state_dir != DEFAULT_STATE_DIR:
        program = f"{STATE_DIR_VARIABLE}={shlex.quote(str(state_dir))} {program}"
    first = ("status", "the servers, and what they take") if servers_stay else ("up", "start the servers again")
    commands = [
        (f"{program} {first[0]}", first[1]),
        (f"{program} datasets show {shlex.quote(dataset_name)}", "the settings that made this dataset"),
        (f"{program} lag", "how far each stage is behind, partition by partition"),
        (f"{program} dashboard", "all of it in a browser; with `demo --dashboard` while the job runs"),
    ]
    width = max(len(command) for command, _ in commands)
    return [f"{command:<{width}}  {does}" for command, does in commands]


def program_name() -> str:
    """`iqstream`, or its path from here where a shell would not find it."""
    started = Path(sys.argv[0])
    if shutil.which("iqstream") or started.name != "iqstream":
        return "iqstream"
    return shlex.quote(os.path.relpath(started))
