"""A receiver network from a CSV file: rx_id, latitude, longitude, altitude_m and antenna_height_m if wanted."""

import csv
from pathlib import Path

import msgspec

from iqstream.runtime.errors import UserError
from iqstream.runtime.text_files import text_of
from schemas import Receiver

REQUIRED = ("rx_id", "latitude", "longitude", "altitude_m")
OPTIONAL = ("antenna_height_m",)
EXAMPLE = "rx_id,latitude,longitude,altitude_m\ntorino,45.044,7.672,250\n..."


def read_receivers(path: Path, *, least: int = 2) -> tuple[Receiver, ...]:
    """Returns the receivers of a file, in its order: at least so many.

    Raises:
        UserError: names the file, the line, the column and what is allowed there.
    """
    return parse_receivers(text_of("receivers file", path), str(path), least=least)


def parse_receivers(text: str, where: str, *, least: int = 2) -> tuple[Receiver, ...]:
    """Returns the receivers of CSV text, in its order: at least so many; `where` is what errors name it by.

    Raises:
        UserError: names the text, the line, the column and what is allowed there.
    """
    rows = csv.DictReader(text.splitlines())
    columns = [name.strip() for name in rows.fieldnames or []]
    wrong = [f"{name} is missing" for name in REQUIRED if name not in columns] + [
        f"{name} is unknown" for name in columns if name not in {*REQUIRED, *OPTIONAL}
    ]
    wrong += [f"{name} is there twice" for name in (*REQUIRED, *OPTIONAL) if columns.count(name) > 1]
    if wrong:
        raise UserError(f"{where}, line 1: columns: {', '.join(wrong)}. Example:\n{EXAMPLE}")
    rows.fieldnames = columns
    receivers = [_receiver(where, rows.line_num, row) for row in rows]
    if len(receivers) < least:
        raise UserError(f"{where}: {len(receivers)} receivers; a network has at least {least}")
    first_line: dict[str, int] = {}
    for line, receiver in enumerate(receivers, start=2):
        if receiver.rx_id in first_line:
            raise UserError(
                f"{where}, line {line}: rx_id {receiver.rx_id!r} is on line {first_line[receiver.rx_id]} too"
            )
        first_line[receiver.rx_id] = line
    return tuple(receivers)


def _receiver(where: str, line: int, row: dict[str | None, str | None]) -> Receiver:
    if None in row or any(value is None for value in row.values()):
        raise UserError(f"{where}, line {line}: the number of values differs from the number of columns")
    values = {str(name): (text or "").strip() for name, text in row.items()}
    values = {name: text for name, text in values.items() if text or name in REQUIRED}
    try:
        return msgspec.convert(values, Receiver, strict=False)
    except msgspec.ValidationError as error:
        shown = ", ".join(f"{name}={text}" for name, text in values.items())
        hint = "; degrees and metres are decimal numbers, as 45.044" if "`float`" in str(error) else ""
        raise UserError(f"{where}, line {line}: {error} ({shown}){hint}") from None
