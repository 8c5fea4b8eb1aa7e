"""`iqstream listen`: what receivers send now made samples of a dataset that grows."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from iqstream.cli.console import say, say_json
from iqstream.cli.door import with_client
from iqstream.cli.duration import duration
from iqstream.cli.numbers import WholeNumber
from iqstream.cli.recorded_dataset import calibrations, dataset_options, hertz, said_of_dataset
from iqstream.client.asynchronous import AsyncClient
from iqstream.ingest.live.given import AskedLive, Listened, Source
from iqstream.ingest.live.tuning import Address, Tuning
from iqstream.ingest.network import receiver_id
from iqstream.runtime.errors import Failed, UserError
from iqstream.runtime.typed_numbers import read_number, read_whole
from iqstream.submit.quantity import parse_quantity, to_float

LINE_EVERY_S = 5.0
Value = TypeVar("Value")


@click.command(
    epilog="""\b
Examples:
  iqstream listen --name Live --frequency 433.92MHz --gain 28 --at roof=45.05,7.65,240 roof=rtl_tcp://10.0.0.7:1234
  iqstream listen --name Hill --frequency 145.5MHz --sample-rate 1.024M --window-ms 200 --gain auto \\
      --receivers network.csv --record kept/ --duration 10min a=rtl_tcp://a.example b=rtl_tcp://b.example
"""
)
@click.argument("receivers_at", nargs=-1, required=True, metavar="[ID=]rtl_tcp://HOST[:PORT]...")
@dataset_options
@click.option("--frequency", required=True, metavar="HZ", help="Centre: 433.92MHz.")
@click.option("--sample-rate", default="250k", metavar="HZ", help="250k, 1.024M, 2.4M.  [default: 250k]")
@click.option(
    "--gain",
    "gains",
    multiple=True,
    required=True,
    metavar="[ID=]DB|auto",
    help="Of the tuner; with auto levels mean nothing. May be given for each receiver.",
)
@click.option("--agc", is_flag=True, help="Switch the automatic gain control of the RTL2832 on; levels mean nothing.")
@click.option("--ppm", "ppms", multiple=True, metavar="[ID=]N", help="By how much an oscillator is fast.  [default: 0]")
@click.option(
    "--record",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep what comes in this folder as SigMF recordings, too; behind a gap a new capture begins.",
)
@click.option("--duration", "lasts", metavar="TIME", help="End after so long: 90s, 10min.  [default: at Ctrl-C]")
@click.option(
    "--serve",
    "port",
    type=WholeNumber(0, 65535),
    metavar="PORT",
    help="Serve how it stands to Prometheus; 0 takes any free port and names it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print progress as lines of JSON.")
def listen(
    *,
    receivers_at: tuple[str, ...],
    lasts: str | None,
    port: int | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Make samples of what receivers send now, until Ctrl-C: rtl_tcp servers of RTL-SDR dongles.

    The dataset grows meanwhile, and ends with the command; the same command goes on with it, also after a kill. rtl_tcp
    has no time stamps: windows of several receivers become one sample by when they came, which is good enough for
    levels, and for nothing finer. What does not come, comes too late or finds no room is a gap, counted and stored.
    """
    asked = _asked(receivers_at, options)
    lasts_s = _duration(lasts)
    lines = _Lines(as_json=as_json)
    done = with_client(lambda client: _listen(client, asked, lasts_s, lines, port))
    lines.ended(done)
    if done.problems:
        raise Failed(f"{'; '.join(done.problems)}. The rest is in the dataset")
    if not done.samples:
        raise Failed("no sample came of it: no receiver sent a whole window")


async def _listen(
    client: AsyncClient, asked: AskedLive, lasts_s: float | None, lines: "_Lines", port: int | None
) -> Listened:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    def begun(dataset_id: str) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end, number)
        if lasts_s is not None:
            loop.call_later(lasts_s, stop.set)
        lines.begun(asked, dataset_id)

    return await client.listen(
        asked,
        stop=stop,
        on_dataset=begun,
        on_tick=lines.show,
        on_event=lines.event,
        port=port,
        on_served=lambda address: lines.event(f"How it stands is served at {address}."),
    )


class _Lines:
    """Prints how it stands every few seconds, and what goes wrong at once."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._next_s = time.monotonic() + LINE_EVERY_S

    def begun(self, asked: AskedLive, dataset_id: str) -> None:
        if not self._as_json:
            names = ", ".join(source.rx_id for source in asked.sources)
            say(f"Listening to {names} into {asked.name!r}, dataset {dataset_id}")

    def show(self, now: Listened) -> None:
        """How it stands, if it is time to say so."""
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + LINE_EVERY_S
            self._say(now)

    def event(self, what: str) -> None:
        say(what, err=True)

    def ended(self, done: Listened) -> None:
        self._say(done)
        if not self._as_json:
            say(f"{done.name!r} has ended at {done.samples:,} samples: `iqstream datasets watch {done.dataset_id}`")

    def _say(self, now: Listened) -> None:
        if self._as_json:
            say_json(
                {
                    "dataset_id": now.dataset_id,
                    "samples": now.samples,
                    "published": now.published,
                    "waiting": now.waiting,
                    "receivers": msgspec.to_builtins(dict(now.receivers)),
                    "problems": list(now.problems),
                }
            )
            return
        heard = "; ".join(
            f"{rx_id} {one.windows:,} windows"
            + (f", {one.gaps:,} gaps of {duration(one.lost_s)} in all" if one.gaps else "")
            + (f", {one.outages:,} times away" if one.outages else "")
            for rx_id, one in now.receivers.items()
        )
        waiting = f", {now.waiting:,} waiting" if now.waiting else ""
        say(f"{now.name}: {now.published:,} samples published{waiting}; {heard}")


def _asked(receivers_at: tuple[str, ...], options: dict[str, Any]) -> AskedLive:
    addresses: dict[str, Address] = {}
    for text in receivers_at:
        rx_id, address = _address(text)
        if rx_id in addresses:
            raise UserError(f"two receivers are called {rx_id}: name them, as roof=rtl_tcp://HOST:PORT")
        addresses[rx_id] = address
    everywhere, by_rx = calibrations(options["calibrations"])
    gains = _by_receiver("--gain", options["gains"], addresses, _gain)
    ppms = _by_receiver("--ppm", options["ppms"], addresses, read_whole)
    sources = []
    for rx_id, address in addresses.items():
        if rx_id not in gains:
            raise UserError(f"--gain of {rx_id} is missing: a number of dB, or auto, with which levels mean nothing")
        try:
            tuning = Tuning(
                center_frequency_hz=round(hertz("--frequency", options["frequency"]) or 0),
                sample_rate_hz=round(hertz("--sample-rate", options["sample_rate"]) or 0),
                gain_db=gains[rx_id],
                agc=options["agc"],
                ppm=ppms.get(rx_id, 0),
            )
        except ValueError as error:
            raise UserError(str(error)) from None
        sources.append(Source(rx_id=rx_id, address=address, tuning=tuning))
    return AskedLive(
        sources=tuple(sources),
        dbm_at_full_scale=everywhere,
        calibration_dbm=by_rx,
        record=options["record"],
        **said_of_dataset(options),
    )


def _address(text: str) -> tuple[str, Address]:
    name, equals, url = text.partition("=")
    if not equals:
        name, url = "", text
    try:
        address = Address.parse(url)
    except ValueError as error:
        raise UserError(str(error)) from None
    if name and receiver_id(name) != name:
        raise UserError(f"receiver {name!r}: an id has letters, digits, _, . and -, as {receiver_id(name)}")
    return name or receiver_id(str(address)), address


def _by_receiver(
    option: str, said: tuple[str, ...], names: Iterable[str], read: Callable[[str], Value]
) -> dict[str, Value]:
    """Values by receiver of `[ID=]VALUE`: one without an id is of all that have none of their own."""
    everywhere: dict[str, Value] = {}
    own: dict[str, Value] = {}
    for text in said:
        rx_id, _, value = text.rpartition("=")
        if rx_id and rx_id not in names:
            raise UserError(f"{option} {text}: there is no receiver {rx_id}; they are {', '.join(names)}")
        try:
            found = read(value.strip())
        except ValueError:
            raise UserError(f"{option} {text}: {value!r} cannot be read") from None
        if rx_id in own or (not rx_id and everywhere):
            raise UserError(f"{option} {text}: it is said twice")
        if rx_id:
            own[rx_id] = found
        else:
            everywhere = dict.fromkeys(names, found)
    return everywhere | own


def _gain(text: str) -> float | None:
    return None if text.lower() == "auto" else read_number(text.strip())


def _duration(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = to_float(parse_quantity(text, "s"))
    except ValueError as error:
        raise UserError(f"--duration: {error}") from None
    if not 0 < seconds <= 366 * 86_400:
        raise UserError(f"--duration {text}: allowed is more than 0 s, up to 366 days")
    return seconds
