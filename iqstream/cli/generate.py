"""`iqstream generate`: submit a dataset, and watch it if wanted."""

from pathlib import Path

import click

from iqstream.cli.console import say
from iqstream.cli.door import with_client
from iqstream.cli.growing import MAX_SAMPLES_PER_S, grow_until_stopped
from iqstream.cli.rate import Rate
from iqstream.cli.spec import chosen_spec, given_spec, spec_options, with_terrain
from iqstream.cli.submission_lines import SubmissionLines
from iqstream.cli.watching import watch_to_the_end
from iqstream.client.asynchronous import AsyncClient
from iqstream.runtime.errors import UserError
from iqstream.shards import SUBMITTED_VERSION
from iqstream.submit.given import Given, at_path
from iqstream.submit.quantity import parse_quantity
from iqstream.submit.receivers_file import read_receivers
from schemas import Capture, DatasetSpec
from schemas.dataset import MAX_SAMPLES, MODULATIONS, longest_capture_ms

OPTIONS = {
    "name": "name",
    "samples": "samples",
    "frequency": "frequency_hz",
    "min_snr": "limits.min_snr_db",
    "min_receivers": "limits.min_receivers",
    "max_gdop": "limits.max_gdop",
    "seed": "seed",
    "iq_samples": "iq_samples",
    "capture_ms": "capture.capture_ms",
    "modulation": "scenario.modulation",
}
"""By option, the field of the spec that it says."""


@click.command(
    epilog="""\b
Examples:
  iqstream generate --name 'Test IQ Generation' --samples 1000 --frequency 144MHz --min-snr 3 --seed 1 --watch
  iqstream generate --preset city-noise --name Turin --set scenario.eirp_max_w=10W
  iqstream generate --spec mine.yaml
"""
)
@click.option("--name", help="The dataset's name; one in use is refused.")
@click.option("--samples", metavar="N", help="Samples to generate; with --continuous at most.")
@spec_options
@click.option("--frequency", metavar="HZ", help="Carrier: 144MHz, 144e6.  [default: 144MHz]")
@click.option("--min-snr", metavar="DB", help="Lowest mean SNR to accept.  [default: 3]")
@click.option("--min-receivers", metavar="N", help="Fewest receivers that must have detected the signal.  [default: 3]")
@click.option("--max-gdop", metavar="X", help="Highest GDOP to accept.  [default: 10]")
@click.option(
    "--seed",
    metavar="N",
    help="Seed of everything random: the same one and settings, the same recordings.  [default: drawn]",
)
@click.option("--iq-samples", metavar="N", help="Accepted samples whose IQ is stored.  [default: 100]")
@click.option("--capture-ms", metavar="MS", help="Recording length: 500, 0.5s.  [default: 1000]")
@click.option(
    "--modulation",
    metavar="|".join(MODULATIONS),
    help="What is sent; mixed: drawn per sample, the truth says which.  [default: nbfm]",
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
@click.option(
    "--pairs",
    is_flag=True,
    help="Measure the time differences between receivers, too: what locates a transmitter best.",
)
@click.option("--description", default="", help="What the dataset is for.")
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
    *,
    spec_file: Path | None,
    preset_name: str | None,
    assignments: tuple[str, ...],
    receivers: Path | None,
    terrain: Path | None,
    features_only: bool,
    pairs: bool,
    description: str,
    reuse_name: bool,
    watch: bool,
    continuous: bool,
    rate: float | None,
    as_json: bool,
    **options: str | None,
) -> None:
    """Submit a dataset: its samples are generated, extracted, filtered and stored by the running stages.

    Everything that a dataset may be is in its spec: `iqstream spec` prints it. Options say the common fields, --set
    any other, --spec a whole file. Numbers may have units, words may be in any case.
    """
    if continuous != (rate is not None) or (continuous and watch):
        raise UserError("--continuous and --rate go together, and without --watch")
    said: dict[str, tuple[str, object]] = {
        path: (f"--{name.replace('_', '-')}", options[name]) for name, path in OPTIONS.items()
    }
    said["receivers"] = ("--receivers", None if receivers is None else read_receivers(receivers))
    said["publish"] = ("--features-only", "features" if features_only else None)
    said["pairs"] = ("--pairs", True if pairs else None)
    given = given_spec(spec_file, preset_name, said, assignments)
    if not given.says("samples"):
        if not continuous:
            raise UserError("--samples is missing: how many? Or use --continuous --rate N/s")
        given = at_path("samples", Given(MAX_SAMPLES), given)
    shortened, asked_ms = shorten(given, options["capture_ms"])
    spec = chosen_spec(with_terrain(shortened, terrain))
    if asked_ms is not None:
        with_client(lambda client: _refuse_length(client, spec, asked_ms))
    lines = SubmissionLines(spec, as_json=as_json)
    if rate is not None:
        try:
            lines.begun(
                with_client(
                    lambda client: client.begin_growth(spec, rate, reuse_name=reuse_name, description=description)
                )
            )
            grow_until_stopped(spec, rate, as_json=as_json)
        except KeyboardInterrupt:
            say(f"If it is listed as running, `iqstream datasets end {spec.dataset_id}` ends it.", err=True)
            raise
        return
    try:
        lines.estimated(with_client(lambda client: client.estimate(spec)))
        submitted = with_client(lambda client: client.submit(spec, reuse_name=reuse_name, description=description))
    except KeyboardInterrupt:
        say(f"If it is listed, `iqstream datasets resume {spec.dataset_id}` submits the rest of it.", err=True)
        raise
    lines.submitted(submitted)
    if watch:
        with_client(
            lambda client: watch_to_the_end(client, spec.dataset_id, version=SUBMITTED_VERSION, on_stderr=as_json)
        )


def shorten(given: Given, capture_ms: str | None) -> tuple[Given, int | None]:
    """Returns the spec, with the longest recording there may be where --capture-ms asks for more, and what it asks.

    What fits the topics may be shorter still, and only they can tell.
    """
    if capture_ms is None or given.says("capture", "sample_rate_hz"):
        return given, None
    try:
        asked_ms = parse_quantity(capture_ms, "ms")
    except ValueError:
        return given, None  # read with all other values, which may be wrong too
    longest_ms = longest_capture_ms(Capture().sample_rate_hz)
    if asked_ms <= longest_ms:
        return given, None
    return at_path("capture.capture_ms", Given(longest_ms, "--capture-ms", named=True), given), round(asked_ms)


async def _refuse_length(client: AsyncClient, longest: DatasetSpec, capture_ms: int) -> None:
    """Raises UserError: says what fits the topic, where not even the longest recording that a spec may have does."""
    try:
        await client.check(longest)
    except UserError as error:
        raise UserError(f"--capture-ms {capture_ms}: {error}") from None
    raise UserError(f"--capture-ms {capture_ms}: at most {longest.capture.capture_ms}")
