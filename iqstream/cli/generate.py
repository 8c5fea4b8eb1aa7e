"""`iqstream generate`: submit a dataset, and watch it if wanted."""

from pathlib import Path

import click

from iqstream.cli.console import say
from iqstream.cli.door import with_client
from iqstream.cli.growing import MAX_SAMPLES_PER_S, grow_until_stopped
from iqstream.cli.rate import Rate
from iqstream.cli.spec_limits import whole_number
from iqstream.cli.submission_lines import SubmissionLines
from iqstream.cli.watching import watch_to_the_end
from iqstream.client.asynchronous import AsyncClient
from iqstream.runtime.errors import UserError
from iqstream.shards import SUBMITTED_VERSION
from iqstream.submit.receivers_file import read_receivers
from iqstream.submit.spec import capture_of, make_spec, read_terrain
from schemas import Capture, DatasetSpec, Limits, Terrain
from schemas.dataset import (
    ITALY_NORTH_WEST,
    MAX_SAMPLES,
    MODULATIONS,
    longest_capture_ms,
    parse_frequency_hz,
)


class Frequency(click.ParamType[float]):
    """`144MHz`, `144e6` or `144000000`, as hertz."""

    name = "hz"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Hertz of the text."""
        if isinstance(value, float):
            return value
        try:
            return parse_frequency_hz(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(
    epilog="Example: iqstream generate --name 'Test IQ Generation' --samples 1000 --frequency 144MHz "
    "--min-snr 3 --min-receivers 3 --max-gdop 50 --seed 1 --watch"
)
@click.option("--name", required=True, help="The dataset's name; one in use is refused.")
@click.option(
    "--samples", type=whole_number(DatasetSpec, "samples"), help="Samples to generate; with --continuous at most."
)
@click.option("--frequency", type=Frequency(), default="144MHz", show_default=True, help="Carrier: 144MHz, 144e6.")
@click.option("--min-snr", type=float, default=3.0, show_default=True, help="Lowest mean SNR to accept, dB.")
@click.option(
    "--min-receivers",
    type=whole_number(Limits, "min_receivers"),
    default=3,
    show_default=True,
    help="Fewest receivers that must have detected the signal.",
)
@click.option("--max-gdop", type=float, default=10.0, show_default=True, help="Highest GDOP to accept.")
@click.option(
    "--seed",
    type=whole_number(DatasetSpec, "seed"),
    help="Seed of everything random: the same one and settings, the same recordings.  [default: drawn]",
)
@click.option(
    "--iq-samples",
    type=whole_number(DatasetSpec, "iq_samples"),
    default=100,
    show_default=True,
    help="Accepted samples whose IQ is stored.",
)
@click.option(
    "--capture-ms",
    type=whole_number(Capture, "capture_ms"),
    default=1000,
    show_default=True,
    help="Recording length, ms.",
)
@click.option(
    "--modulation",
    type=click.Choice(MODULATIONS),
    default="nbfm",
    show_default=True,
    help="What is sent; mixed: drawn per sample, the truth says which.",
)
@click.option(
    "--receivers",
    type=click.Path(dir_okay=False, path_type=Path),
    help="CSV of rx_id,latitude,longitude,altitude_m[,antenna_height_m].  [default: north-west Italy]",
)
@click.option(
    "--terrain",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory of SRTM .hgt tiles; IQSTREAM_TERRAIN_DIR of producers and sinks must name one with the same.  "
    "[default: procedural terrain]",
)
@click.option(
    "--features-only",
    is_flag=True,
    help="Producers compute the features themselves and publish no frames: the same rows at less cost, no extractor.",
)
@click.option("--reuse-name", is_flag=True, help="Submit although the name is in use (under a new id).")
@click.option("--watch", is_flag=True, help="Show progress until the dataset is complete; Ctrl-C leaves it running.")
@click.option(
    "--continuous", is_flag=True, help="Submit at --rate until Ctrl-C, held back while the stages lag behind."
)
@click.option(
    "--rate", type=Rate(MAX_SAMPLES_PER_S), metavar="N/s", help="Samples per second, with --continuous: 5/s, 0.5/s."
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the dataset's id and settings as JSON; with --watch, progress goes to standard error.",
)
def generate(  # click passes options by name
    name: str,
    samples: int | None,
    frequency: float,
    min_snr: float,
    min_receivers: int,
    max_gdop: float,
    seed: int | None,
    iq_samples: int,
    capture_ms: int,
    modulation: str,
    receivers: Path | None,
    terrain: Path | None,
    features_only: bool,  # noqa: FBT001
    reuse_name: bool,  # noqa: FBT001
    watch: bool,  # noqa: FBT001
    continuous: bool,  # noqa: FBT001
    rate: float | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Submit a dataset: its samples are generated, extracted, filtered and stored by the running stages."""
    if continuous != (rate is not None) or (continuous and watch):
        raise UserError("--continuous and --rate go together, and without --watch")
    if samples is None and not continuous:
        raise UserError("--samples is missing: how many? Or use --continuous --rate N/s")
    network = read_receivers(receivers) if receivers else ITALY_NORTH_WEST
    length_ms = min(capture_ms, longest_capture_ms(Capture().sample_rate_hz))
    spec = make_spec(
        name=name,
        samples=samples or MAX_SAMPLES,
        frequency_hz=frequency,
        **({} if seed is None else {"seed": seed}),
        iq_samples=iq_samples,
        publish="features" if features_only else "frames",
        receivers=network,
        terrain=read_terrain(terrain, network) if terrain else Terrain(),
        capture=capture_of(length_ms),
        scenario={"modulation": modulation},
        limits={"min_snr_db": min_snr, "min_receivers": min_receivers, "max_gdop": max_gdop},
    )
    if length_ms < capture_ms:
        with_client(lambda client: _refuse_length(client, spec, capture_ms))
    lines = SubmissionLines(spec, as_json=as_json)
    if rate is not None:
        try:
            lines.begun(with_client(lambda client: client.begin_growth(spec, rate, reuse_name=reuse_name)))
            grow_until_stopped(spec, rate, as_json=as_json)
        except KeyboardInterrupt:
            say(f"If it is listed as running, `iqstream datasets end {spec.dataset_id}` ends it.", err=True)
            raise
        return
    try:
        submitted = with_client(lambda client: client.submit(spec, reuse_name=reuse_name))
    except KeyboardInterrupt:
        say(f"If it is listed, `iqstream datasets resume {spec.dataset_id}` submits the rest of it.", err=True)
        raise
    lines.submitted(submitted)
    if watch:
        with_client(
            lambda client: watch_to_the_end(client, spec.dataset_id, version=SUBMITTED_VERSION, on_stderr=as_json)
        )


async def _refuse_length(client: AsyncClient, longest: DatasetSpec, capture_ms: int) -> None:
    """Raises UserError: says what fits the topic, where not even the longest recording that a spec may have does."""
    try:
        await client.check(longest)
    except UserError as error:
        raise UserError(f"--capture-ms {capture_ms}: {error}") from None
    raise UserError(f"--capture-ms {capture_ms}: at most {longest.capture.capture_ms}")
