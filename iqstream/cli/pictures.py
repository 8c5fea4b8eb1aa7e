"""`iqstream datasets plot` and `iqstream iq show`: pictures of datasets and of recordings."""

from pathlib import Path

import click

from iqstream.cli.console import say
from iqstream.cli.datasets import name_argument, version_option
from iqstream.cli.door import with_client
from iqstream.cli.numbers import WholeNumber
from schemas.dataset import MAX_SAMPLES

force_option = click.option("--force", is_flag=True, help="Replace a file that is there.")


@click.command("plot", epilog="Example: iqstream datasets plot 'Test IQ Generation' --output dataset.png")
@name_argument
@version_option
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="The PNG file.  [default: dataset-ID.png]"
)
@force_option
def plot(dataset: str, version: int | None, output: Path | None, force: bool) -> None:  # noqa: FBT001
    """Draw a dataset on one page: map, links by SNR, a recording's spectrogram, errors against truth.

    What has expired in Kafka is drawn from the rows of accepted samples, as far as they have it; errors need records.
    """
    path = with_client(lambda client: client.plot(dataset, output, version=version, force=force))
    say(f"{path}: drawn")


@click.group(epilog="Example: iqstream iq show 'Test IQ Generation' 17")
def iq() -> None:
    """Look at recordings."""


@iq.command("show", epilog="Example: iqstream iq show 'Test IQ Generation' 17 --output sample-17.png")
@name_argument
@click.argument("sample", metavar="SAMPLE", type=WholeNumber(0, MAX_SAMPLES - 1))
@version_option
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="The PNG file.  [default: iq-ID-SAMPLE.png]"
)
@force_option
def show(dataset: str, sample: int, version: int | None, output: Path | None, force: bool) -> None:  # noqa: FBT001
    """Draw a sample's recordings: waveform and spectrogram of every receiver.

    Recordings that Kafka has dropped are synthesised again and proved to be the same by their CRC-32.
    """
    path = with_client(lambda client: client.plot_iq(dataset, sample, output, version=version, force=force))
    say(f"{path}: drawn")
