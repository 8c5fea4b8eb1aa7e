"""Recordings by receiver: an id that is fit to be one, a calibration, and where the antenna stood."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from iqstream.recordings import Recording
from iqstream.runtime.errors import Conflict, UserError
from schemas import Receiver, Station

_NO_ID = re.compile(r"[^A-Za-z0-9_.-]+")


def named(recordings: Sequence[Recording], calibration_dbm: Mapping[str, float]) -> list[Recording]:
    """The recordings under ids of receivers, calibrated.

    Raises:
        UserError: two receivers would have one id, or a calibration is of none that is there.
    """
    names: dict[str, str] = {}
    found = []
    for recording in recordings:
        rx_id = receiver_id(recording.rx_name)
        if names.setdefault(rx_id, recording.rx_name) != recording.rx_name:
            raise UserError(
                f"receivers {names[rx_id]!r} and {recording.rx_name!r} would both be called {rx_id}: "
                "name the receiver with --rx, and ingest one receiver after the other"
            )
        dbm = calibration_dbm.get(rx_id)
        found.append(replace(recording, rx_name=rx_id) if dbm is None else _calibrated(recording, rx_id, dbm))
    if unknown := sorted(calibration_dbm.keys() - names.keys()):
        raise UserError(f"--calibration: {', '.join(unknown)} is none of {', '.join(sorted(names))}")
    return found


def receiver_id(name: str) -> str:
    """What a receiver is called everywhere: letters, digits, `_`, `.` and `-`."""
    plain = _NO_ID.sub("-", name).lstrip("_.-")[:64]
    return plain or "receiver"


def network_of(recordings: Sequence[Recording], said: Sequence[Receiver]) -> tuple[Station, ...]:
    """The receivers: those that were said, in their order, then the others, where their files place them if at all."""
    found: dict[str, Station] = {receiver.rx_id: receiver for receiver in said}
    for recording in recordings:
        rx_id, place = recording.rx_name, recording.position
        if rx_id in found and (found[rx_id].placed is not None or place is None):
            continue
        found[rx_id] = Station(
            rx_id=rx_id,
            latitude=None if place is None else place.latitude,
            longitude=None if place is None else place.longitude,
            altitude_m=None if place is None else place.altitude_m or 0.0,
        )
    return tuple(found.values())


def require_same(network: Sequence[Station], recordings: Sequence[Recording], said: Sequence[Receiver]) -> None:
    """Raises UserError where recordings are of receivers that a dataset has not, or has elsewhere."""
    known = {receiver.rx_id: receiver for receiver in network}
    if strange := sorted({recording.rx_name for recording in recordings} - known.keys()):
        raise Conflict(
            f"{', '.join(strange)} is none of the dataset's receivers, {', '.join(known)}: its network is what it was "
            "begun with. Begin another dataset; --receivers names a whole network"
        )
    for receiver in said:
        if known.get(receiver.rx_id, receiver) != receiver:
            raise Conflict(f"{receiver.rx_id} stands elsewhere in the dataset: leave its position out")


def _calibrated(recording: Recording, rx_id: str, dbm: float) -> Recording:
    return replace(recording, rx_name=rx_id, dbm_at_full_scale=dbm, scale=None)
