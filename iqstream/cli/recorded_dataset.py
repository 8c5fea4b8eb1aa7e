"""What commands that make a dataset of recordings share: whose they are, where those stood, and how it is made."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from iqstream.cli.numbers import Number, WholeNumber
from iqstream.ingest.track import UNKNOWN_TRACK, Track, read_track
from iqstream.recordings.given import MAX_FULL_SCALE_DBM, MIN_FULL_SCALE_DBM, is_calibration
from iqstream.runtime.errors import UserError
from iqstream.runtime.typed_numbers import read_number
from iqstream.submit.quantity import parse_quantity, to_float
from iqstream.submit.receivers_file import read_receivers
from schemas import Receiver, TransmitterPosition

Command = TypeVar("Command", bound=Callable[..., object])
_OPTIONS = (
    click.option("--name", required=True, help="The dataset: a new one, or one of recordings, which is gone on with."),
    click.option(
        "--at",
        "places",
        multiple=True,
        metavar="ID=LAT,LON[,ALT_M]",
        help="Where a receiver stood, unless its files say it; may be given for each.",
    ),
    click.option(
        "--receivers",
        type=click.Path(dir_okay=False, path_type=Path),
        help="CSV of rx_id,latitude,longitude,altitude_m[,antenna_height_m]: where receivers stood.",
    ),
    click.option(
        "--calibration",
        "calibrations",
        multiple=True,
        metavar="[ID=]DBM",
        help="Power at the antenna input of a full-scale tone; without it levels are dBFS.",
    ),
    click.option("--transmitter", metavar="LAT,LON[,ALT_M]", help="Where the transmitter stood.  [default: not known]"),
    click.option(
        "--track",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Where it was: a CSV file of time,latitude,longitude[,altitude_m], or GPX.",
    ),
    click.option("--window-ms", type=WholeNumber(1, 60_000), metavar="MS", help="Length of a sample.  [default: 1000]"),
    click.option(
        "--chunk-ms", type=WholeNumber(1, 60_000), metavar="MS", help="Features are measured of.  [default: 200]"
    ),
    click.option("--to-rate", metavar="HZ", help="Resample to fewer samples a second.  [default: as recorded]"),
    click.option("--min-snr", type=Number(), metavar="DB", help="Lowest mean SNR to accept.  [default: 3]"),
    click.option(
        "--min-receivers", type=WholeNumber(1), metavar="N", help="Fewest that must have detected it.  [default: 1]"
    ),
    click.option(
        "--iq-samples", type=WholeNumber(0), metavar="N", help="Accepted samples whose IQ is stored.  [default: 100]"
    ),
    click.option("--description", default="", help="What the dataset is for."),
)


def dataset_options(command: Command) -> Command:
    """Adds the options that `said_of_dataset` and `calibrations` read."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def said_of_dataset(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of `AskedDataset`, but for the calibrations; raises UserError."""
    said = () if options["receivers"] is None else read_receivers(options["receivers"], least=1)
    return {
        "name": options["name"],
        "receivers": (*said, *_receivers(options["places"])),
        "track": _track(options["transmitter"], options["track"]),
        "window_ms": options["window_ms"],
        "chunk_ms": options["chunk_ms"],
        "sample_rate_hz": hertz("--to-rate", options["to_rate"]),
        "min_snr_db": options["min_snr"],
        "min_receivers": options["min_receivers"],
        "iq_samples": options["iq_samples"],
        "description": options["description"],
    }


def calibrations(said: tuple[str, ...]) -> tuple[float | None, dict[str, float]]:
    """The calibration of all receivers, and those of single ones; raises UserError."""
    everywhere: float | None = None
    by_rx: dict[str, float] = {}
    for text in said:
        rx_id, _, number = text.rpartition("=")
        try:
            dbm = read_number(number.strip())
        except ValueError:
            raise UserError(f"--calibration: {text!r}: write DBM, or ID=DBM, as rxa=-20.5") from None
        if not is_calibration(dbm):
            raise UserError(f"--calibration: {text!r}: allowed are {MIN_FULL_SCALE_DBM} to {MAX_FULL_SCALE_DBM} dBm")
        if not rx_id:
            everywhere = dbm
        else:
            by_rx[rx_id] = dbm
    return everywhere, by_rx


def hertz(option: str, text: str | None) -> float | None:
    """A frequency or rate of an option, in Hz; raises UserError."""
    if text is None:
        return None
    try:  # 250k, as recorders write it
        found = to_float(parse_quantity(f"{text}Hz" if text[-1:] in "kMG" else text, "Hz"))
    except ValueError as error:
        raise UserError(f"{option}: {error}") from None
    if not math.isfinite(found):
        raise UserError(f"{option}: {text} is no frequency that there is")
    return found


def _numbers(option: str, text: str) -> tuple[float, float, float | None]:
    """Latitude, longitude, and altitude if it is said."""
    try:
        numbers = [read_number(part.strip()) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in {2, 3}:
        raise UserError(f"{option}: {text!r} is no place: write LAT,LON or LAT,LON,ALTITUDE_M, as 45.05,7.65,240")
    return numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else None


def _receivers(places: tuple[str, ...]) -> list[Receiver]:
    found: dict[str, Receiver] = {}
    for place in places:
        rx_id, equals, where = place.partition("=")
        if not equals:
            raise UserError(f"--at: {place!r} names no receiver: write ID=LAT,LON or ID=LAT,LON,ALTITUDE_M")
        latitude, longitude, altitude = _numbers("--at", where)
        if rx_id in found:
            raise UserError(f"--at: {rx_id} has two places")
        try:
            found[rx_id] = Receiver(rx_id=rx_id, latitude=latitude, longitude=longitude, altitude_m=altitude or 0.0)
        except ValueError as error:
            raise UserError(f"--at: {error}") from None
    return list(found.values())


def _track(place: str | None, path: Path | None) -> Track:
    if place is not None and path is not None:
        raise UserError("--transmitter and --track both say where the transmitter was: give one of them")
    if path is not None:
        return read_track(path)
    if place is None:
        return UNKNOWN_TRACK
    latitude, longitude, altitude = _numbers("--transmitter", place)
    try:
        return Track(always=TransmitterPosition(latitude=latitude, longitude=longitude, altitude_m=altitude))
    except ValueError as error:
        raise UserError(f"--transmitter: {error}") from None
