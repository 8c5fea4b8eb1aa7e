"""`iqstream ingest`: recordings of real receivers made samples of a dataset."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from iqstream.cli.console import say, say_json
from iqstream.cli.door import with_client
from iqstream.cli.recorded_dataset import calibrations, dataset_options, hertz, said_of_dataset
from iqstream.cli.times import parse_instant
from iqstream.cli.watching import watch_to_the_end
from iqstream.ingest.given import Asked, Ingested
from iqstream.recordings import BadRecording, Given
from iqstream.runtime.errors import Failed, UserError
from iqstream.shards import SUBMITTED_VERSION

_OPTION_OF = {
    "give sample_rate_hz": "give --sample-rate",
    "give center_frequency_hz": "give --frequency",
    "give datatype": "give --datatype",
}
"""What the readers say to callers, and here."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@click.command(
    epilog="""\b
Examples:
  iqstream ingest --name 'DCF77' --pairs --at rxa=53.67,7.28 --at rxb=45.78,0.61 --at rxc=47.17,8.43 kiwi/
  iqstream ingest --name Keyfob --at g001=45.05,7.65,240 g001_433.92M_250k.cu8
  iqstream ingest --name Walk --track walk.gpx --receivers network.csv --watch recordings/
"""
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@click.option("--rx", "rx_name", metavar="ID", help="The receiver, of all files.  [default: by file or name]")
@dataset_options
@click.option(
    "--pairs/--no-pairs",
    default=None,
    help="Measure the time differences between receivers, too, where satellites gave the time.  [default: no]",
)
@click.option("--sample-rate", metavar="HZ", help="Of the files: 250k, 2.4MHz.  [default: by file or name]")
@click.option("--frequency", metavar="HZ", help="Centre of the files: 433.92MHz.  [default: by file or name]")
@click.option("--datatype", metavar="TYPE", help="Of files of plain samples: cu8, ci16_le.  [default: by the ending]")
@click.option("--started-at", metavar="TIME", help="Of the first sample, with zone.  [default: by file or name]")
@click.option(
    "--time-source",
    type=click.Choice(["gnss", "ntp", "arrival", "name"]),
    help="How well the time is known; receivers are put together by gnss, ntp and arrival alone.  [default: by file]",
)
@click.option("--dc/--no-dc", "dc_of_device", default=None, help="The mean is the receiver's own: take it out, or not.")
@click.option("--watch", is_flag=True, help="Show progress until the dataset is complete; Ctrl-C leaves it running.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def ingest(*, paths: tuple[Path, ...], watch: bool, as_json: bool, **options: Any) -> None:  # noqa: ANN401  # by name
    """Make samples of recordings: SigMF, WAV with IQ (also of KiwiSDRs), .cu8 .cs8 .cs16 .cf32, .npy; files or folders.

    Recordings are cut into windows on one grid of time. What several receivers recorded of a window is one sample.
    A window that the dataset holds already is not taken twice: the same command goes on after an interruption, and
    adds nothing when nothing is new. What cannot be read is named, the rest goes on, and the exit code is 1.
    """
    asked = _asked(paths, options)

    def begun(dataset_id: str) -> None:
        if not as_json:
            say(f"Ingesting into {asked.name!r}, dataset {dataset_id}")

    done = with_client(lambda client: client.ingest(asked, on_dataset=begun))
    if as_json:
        say_json(_document(done))
    else:
        say(_line(done))
    for failure in done.failures:
        say(f"Not read: {_in_options(failure)}", err=True)
    if watch and done.dataset_id:
        with_client(
            lambda client: watch_to_the_end(client, done.dataset_id, version=SUBMITTED_VERSION, on_stderr=as_json)
        )
    if done.failures:
        count = len(done.failures)
        raise Failed(
            f"{count} {'thing' if count == 1 else 'things'} could not be read, as named above; the rest is ingested"
            if done.dataset_id
            else "none of it could be read, as named above: there is no dataset"
        )
    if not done.dataset_id:
        raise Failed("there is no recording in what was named")


def _asked(paths: tuple[Path, ...], options: dict[str, Any]) -> Asked:
    if missing := [str(path) for path in paths if not path.exists()]:
        raise UserError(f"there is no {', '.join(missing)}")
    rx_name = options["rx_name"]
    everywhere, by_rx = calibrations(options["calibrations"])
    started_at = options["started_at"]
    try:
        given = Given(
            rx_name=rx_name,
            sample_rate_hz=hertz("--sample-rate", options["sample_rate"]),
            center_frequency_hz=hertz("--frequency", options["frequency"]),
            datatype=options["datatype"],
            started_at_ns=None if started_at is None else _ns(parse_instant(started_at, "--started-at")),
            time_source=options["time_source"],
            dbm_at_full_scale=everywhere,
            dc_of_device=options["dc_of_device"],
        )
    except ValueError as error:
        raise UserError(str(error)) from None
    return Asked(paths=paths, given=given, calibration_dbm=by_rx, pairs=options["pairs"], **said_of_dataset(options))


def _in_options(failure: BadRecording) -> str:
    said = str(failure)
    for field, option in _OPTION_OF.items():
        said = said.replace(field, option)
    return said


def _ns(moment: datetime) -> int:
    past = moment - _EPOCH
    return (past.days * 86_400 + past.seconds) * 1_000_000_000 + past.microseconds * 1000


def _line(done: Ingested) -> str:
    alone = f", {done.unaligned} of them of one receiver alone" if done.unaligned else ""
    unplaced = f"; where {', '.join(done.unplaced)} stood is not known (--at)" if done.unplaced else ""
    known = f"; {done.known_windows} windows are there already" if done.known_windows else ""
    return (
        f"{done.samples} samples of {done.windows} windows ({done.recorded_s:g} s of IQ) from {done.recordings} "
        f"recordings{alone}{known}{_pairs(done)}{unplaced}"
    )


def _pairs(done: Ingested) -> str:
    """Of how many samples there are time differences, or could have been."""
    if not done.samples:
        return ""
    if not done.pairs:
        could = "; --pairs, in a new dataset, measures the time differences of {:,} of them"
        return could.format(done.comparable) if done.comparable else ""
    none = done.samples - done.comparable
    why = f", not of {none:,}: fewer than two receivers have the time of satellites (gnss)" if none else ""
    return f"; time differences of {done.comparable:,}{why}"


def _document(done: Ingested) -> dict[str, Any]:
    return {
        "dataset_id": done.dataset_id or None,
        "name": done.name,
        "recordings": done.recordings,
        "samples": done.samples,
        "windows": done.windows,
        "known_windows": done.known_windows,
        "unaligned": done.unaligned,
        "pairs": done.pairs,
        "comparable": done.comparable,
        "unplaced": list(done.unplaced),
        "recorded_s": done.recorded_s,
        "failures": [
            {"file": str(failure.path), "place": failure.place, "problem": failure.problem} for failure in done.failures
        ],
    }
