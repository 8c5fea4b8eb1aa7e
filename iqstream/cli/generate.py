"""`iqstream generate`: submit a dataset, and watch it if wanted."""

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path
from secrets import randbits
from uuid import uuid4

import click
import msgspec

from iqstream.catalogue.datasets import Dataset, same_recordings
from iqstream.catalogue.new_datasets import create_dataset
from iqstream.cli.console import say
from iqstream.cli.growing import MAX_SAMPLES_PER_S, grow_until_stopped
from iqstream.cli.rate import Rate
from iqstream.cli.spec_limits import whole_number
from iqstream.cli.submission_lines import SubmissionLines
from iqstream.cli.watching import watch_to_the_end
from iqstream.reach import postgres_pool
from iqstream.runtime.errors import UserError
from iqstream.runtime.settings import Settings, load_settings
from iqstream.submit.publishable import check_publishable
from iqstream.submit.receivers_file import read_receivers
from iqstream.submit.room import check_room_for
from iqstream.submit.submission import submit
from producer.version import GENERATOR_VERSION
from schemas import Capture, DatasetSpec, Limits, Receiver, Scenario, Terrain
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
    "[default: made-up terrain]",
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
        raise UserError("--samples: how many? Or --continuous --rate N/s")
    network = read_receivers(receivers) if receivers else ITALY_NORTH_WEST
    length_ms = min(capture_ms, longest_capture_ms(Capture().sample_rate_hz))
    spec = make_spec(
        name=name,
        samples=samples or MAX_SAMPLES,
        frequency_hz=frequency,
        **({} if seed is None else {"seed": seed}),
        iq_samples=iq_samples,
        receivers=network,
        terrain=read_terrain(terrain, network) if terrain else Terrain(),
        capture=capture_of(length_ms),
        scenario={"modulation": modulation},
        limits={"min_snr_db": min_snr, "min_receivers": min_receivers, "max_gdop": max_gdop},
    )
    settings = load_settings()
    if length_ms < capture_ms:
        asyncio.run(_refuse_length(settings, spec, capture_ms))
    check_room_for(spec if rate is None else first_hour(spec, rate), settings)
    lines = SubmissionLines(spec, as_json=as_json)
    if rate is not None:
        try:
            lines.begun(asyncio.run(_begin_to_grow(settings, spec, reuse_name=reuse_name)))
            grow_until_stopped(settings, spec, rate, as_json=as_json)
        except KeyboardInterrupt:
            say(f"If it is listed as running, `iqstream datasets end {spec.dataset_id}` ends it.", err=True)
            raise
        return
    try:
        twins = asyncio.run(_submit(settings, spec, reuse_name=reuse_name))
    except KeyboardInterrupt:
        say(f"If it is listed, `iqstream datasets resume {spec.dataset_id}` submits the rest of it.", err=True)
        raise
    lines.submitted(twins)
    if watch:
        watch_to_the_end(settings, spec.dataset_id, on_stderr=as_json)


def first_hour(spec: DatasetSpec, rate_per_s: float) -> DatasetSpec:
    """What there must be room for before a dataset begins to grow; later a full disk holds it up and loses nothing."""
    return msgspec.structs.replace(spec, samples=min(spec.samples, math.ceil(rate_per_s * 3600)))


def draw_seed() -> int:
    """A seed that nobody has used; JSON readers that hold numbers as doubles keep it exactly."""
    return randbits(53)


def capture_of(capture_ms: int) -> dict[str, int]:
    """The fields of a recording of this length, in chunks of 200 ms."""
    return {"capture_ms": capture_ms, "chunk_ms": min(Capture().chunk_ms, capture_ms)}


def make_spec(**fields: object) -> DatasetSpec:
    """A spec with a new id for this generator, and with a seed of its own unless one is named.

    Raises:
        UserError: a field is out of its range; names it.
    """
    drawn = {"dataset_id": str(uuid4()), "generator_version": GENERATOR_VERSION, "seed": draw_seed()}
    try:
        return msgspec.convert(drawn | msgspec.to_builtins(fields), DatasetSpec)
    except msgspec.ValidationError as error:
        raise UserError(f"dataset: {error}") from None


def read_terrain(directory: Path, receivers: Sequence[Receiver]) -> Terrain:
    """The tiles of a directory around the receivers, by name and digest.

    Raises:
        UserError: the tile of a receiver is missing, or a file is no tile.
    """
    from producer.tile_directory import tiles_around  # brings the producer's kernels

    try:
        tiles = tiles_around(directory, receivers, Scenario().margin_deg)
    except ValueError as error:
        raise UserError(f"terrain: {error}") from None
    return Terrain(source="tiles", tiles=tiles)


async def _refuse_length(settings: Settings, longest: DatasetSpec, capture_ms: int) -> None:
    """Raises UserError: says what fits the topic, where not even the longest recording that a spec may have does."""
    try:
        await check_publishable(settings, longest)
    except UserError as error:
        raise UserError(f"--capture-ms {capture_ms}: {error}") from None
    raise UserError(f"--capture-ms {capture_ms}: at most {longest.capture.capture_ms}")


async def _begin_to_grow(settings: Settings, spec: DatasetSpec, *, reuse_name: bool) -> list[Dataset]:
    await check_publishable(settings, spec)
    async with postgres_pool(settings) as pool:
        await create_dataset(pool, spec, reuse_name=reuse_name, status="running")
        return await same_recordings(pool, spec)


async def _submit(settings: Settings, spec: DatasetSpec, *, reuse_name: bool) -> list[Dataset]:
    async with postgres_pool(settings) as pool:
        await submit(settings, pool, spec, reuse_name=reuse_name)
        return await same_recordings(pool, spec)
