"""Tables of what is stored, for people."""

from collections.abc import Mapping, Sequence

from rich.measure import Measurement
from rich.table import Table

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.failures import FailureCount
from iqstream.catalogue.outcomes import OutcomeCount
from iqstream.cli.console import Console
from iqstream.dataset_figures import DatasetFigures


def counts_table(dataset: Dataset, outcomes: Sequence[OutcomeCount]) -> Table:
    """Samples by outcome, rejections by reason."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("requested", str(dataset.requested))
    table.add_row("accepted", str(dataset.accepted))
    for outcome, total in (("rejected", dataset.rejected), ("failed", dataset.failed)):
        table.add_row(outcome, str(total))
        for count in outcomes:
            if count.outcome == outcome:
                table.add_row(f"  {count.reason}", str(count.samples))
    table.add_row("IQ samples saved", str(dataset.iq_samples_saved))
    if dataset.iq_samples_lost:
        table.add_row("IQ samples lost", str(dataset.iq_samples_lost))
    return table


def result_table(rows: Sequence[Mapping[str, object]]) -> Table:
    """A query's result."""
    table = Table(box=None, pad_edge=False)
    for column in rows[0] if rows else ():
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    return table


def print_whole(console: Console, table: Table) -> None:
    """Prints a table in its full width: a row that is cut or folded could not be copied."""
    unbounded = console.options.update(max_width=1000)
    width = max(console.width, Measurement.get(console, unbounded, table).maximum)
    as_wide = Console(
        file=console.file,
        width=width,
        force_terminal=console.is_terminal,
        color_system=console.color_system,
        no_color=console.no_color,
    )
    as_wide.print(table, soft_wrap=True)


def datasets_table(datasets: Sequence[Dataset]) -> Table:
    """One line a dataset."""
    table = Table(box=None, pad_edge=False)
    for column in ("name", "status"):
        table.add_column(column)
    for column in ("requested", "accepted", "rejected", "failed", "IQ saved", "version"):
        table.add_column(column, justify="right")
    table.add_column("id", no_wrap=True)
    for dataset in datasets:
        counts = (dataset.requested, dataset.accepted, dataset.rejected, dataset.failed, dataset.iq_samples_saved)
        table.add_row(dataset.name, dataset.status, *map(str, (*counts, dataset.version)), dataset.id)
    return table


def figures_table(figures: DatasetFigures) -> Table:
    """SNR and distances of the accepted samples, and what is stored."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column()
    for name, unit, spread in (
        ("mean SNR", "dB", figures.mean_snr_db),
        ("distance to all receivers", "km", figures.distance_km),
        ("distance to the nearest", "km", figures.nearest_receiver_km),
    ):
        if spread is not None:
            eighty = f"{spread.percentile_10:.1f} to {spread.percentile_90:.1f}"
            table.add_row(name, f"{spread.mean:.1f} {unit} (80 % within {eighty}, median {spread.median:.1f})")
    table.add_row("stored", f"{readable_bytes(figures.rows_bytes)} of rows, {readable_bytes(figures.iq_bytes)} of IQ")
    return table


def readable_bytes(count: float) -> str:
    """`1.12 GB`: three digits, decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"


def failures_table(failures: Sequence[FailureCount]) -> Table:
    """Failures by stage and error."""
    table = Table(box=None, pad_edge=False)
    for column in ("failed in", "error"):
        table.add_column(column)
    for column in ("samples", "failures"):
        table.add_column(column, justify="right")
    table.add_column("for instance")
    for one in failures:
        table.add_row(one.stage, one.error, str(one.samples), str(one.recordings), one.message)
    return table
