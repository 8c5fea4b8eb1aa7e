"""Records of `iq.features` read for training: what a batch needs at once, the rest left as bytes until asked for.

`schemas.decode` builds every object of a record and takes longer than the client takes to fetch it. Here the values,
the receiver and the truth stay bytes: values of a whole batch become one array in one step, a receiver is understood
once for all its records, and the truth of a link only where somebody asks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from schemas import Lineage, PairMeasurement, PairRecord, Station, Truth
from schemas.feature_record import FEATURE_VALUES
from schemas.features import FEATURES_OF_VERSION, STATISTICS
from schemas.recorded import LevelReference

FLOAT64 = 0xCB
"""msgpack's mark before eight bytes, big-endian."""
_ARRAY = b"\xdc"
"""msgpack's mark before an array's length in two bytes, big-endian."""
_ARRAY_BYTES = 3
_VALUE_BYTES = 9
_MOST_RECEIVERS = 100_000
_LARGEST = 1e300
"""`schemas.dataset.Finite`."""


class Recording(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="schema", tag="feature_record"):
    """A feature record of any version; `receiver`, `values` and `truth` as the bytes that they are."""

    version: Annotated[int, msgspec.Meta(ge=1, le=max(FEATURES_OF_VERSION))]
    dataset_id: str
    dataset_version: int
    sample_idx: int
    generation: int = 0
    receivers_expected: int
    pairs_expected: bool = False
    receiver: msgspec.Raw
    captured_at_ns: int
    values: msgspec.Raw
    truth: msgspec.Raw
    position: msgspec.Raw = msgspec.Raw(b"\xc0")
    recorded: msgspec.Raw = msgspec.Raw(b"\xc0")
    """Of a real recording; of others None, like the position."""


class Failure(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="schema", tag="failure_record"):
    """A failure record, version 1; `rx_id` None stands for the whole sample."""

    version: Literal[1]
    dataset_id: str
    dataset_version: int
    sample_idx: int
    generation: int = 0
    rx_id: str | None


class TimeDifferences(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="schema", tag="pair_record"):
    """A pair record, version 1, without its pairs: they are read with `pairs_of`."""

    version: Literal[1]
    dataset_id: str
    dataset_version: int
    sample_idx: int
    generation: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A receiver, one object for all its records."""

    rx_id: str
    coordinates: tuple[float, float, float, float]
    """Latitude and longitude in degrees, altitude of the ground and height of the antenna above it in metres; the
    first three are NaN where the place is not known."""


class _Origin(msgspec.Struct, frozen=True, gc=False):
    lineage: Lineage


class _Transmitter(msgspec.Struct, frozen=True, gc=False):
    latitude: float
    longitude: float
    altitude_m: float | None
    inside_network: bool | None = None


class _Position(msgspec.Struct, frozen=True, gc=False):
    transmitter: _Transmitter


class _Reference(msgspec.Struct, frozen=True, gc=False):
    level_reference: LevelReference


class _Rate(msgspec.Struct, frozen=True, gc=False):
    sample_rate_hz: float


Message: TypeAlias = Recording | Failure | TimeDifferences
NOTHING = b"\xc0"
"""None."""

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading something else than a message of ours may raise."""
read_message = msgspec.msgpack.Decoder(Recording | Failure | TimeDifferences).decode
"""The message in a record's value. Raises one of UNREADABLE for anything else."""
_read_receiver = msgspec.msgpack.Decoder(Station).decode
_read_position = msgspec.msgpack.Decoder(_Position).decode
_read_transmitter = msgspec.msgpack.Decoder(_Transmitter).decode
_read_reference = msgspec.msgpack.Decoder(_Reference).decode
_read_rate = msgspec.msgpack.Decoder(_Rate).decode
_read_origin = msgspec.msgpack.Decoder(_Origin).decode
_read_pairs = msgspec.msgpack.Decoder(PairRecord).decode
_read_truth = msgspec.msgpack.Decoder(Truth | None).decode


class Places:
    """Receivers by the bytes of their description: each is decoded and checked once."""

    def __init__(self) -> None:
        self._known: dict[bytes, Place] = {}

    def of(self, recording: Recording) -> Place:
        """The recording's receiver. Raises one of UNREADABLE where it is none."""
        description = bytes(recording.receiver)
        place = self._known.get(description)
        if place is None:
            if len(self._known) >= _MOST_RECEIVERS:
                self._known.clear()
            receiver = _read_receiver(description)
            known = receiver.placed
            coordinates = (math.nan,) * 3 if known is None else (known.latitude, known.longitude, known.altitude_m)
            place = self._known[description] = Place(receiver.rx_id, (*coordinates, receiver.antenna_height_m))
        return place


def transmitter_of(recording: Recording) -> _Transmitter | None:
    """Where the transmitter stood; None where that is not known. Raises one of UNREADABLE."""
    if bytes(recording.truth) != NOTHING:
        return _read_position(recording.truth).transmitter
    return None if bytes(recording.position) == NOTHING else _read_transmitter(recording.position)


def recorded_rate_hz(recording: Recording, value: bytes) -> float | None:
    """The sample rate of a real recording; None for a generated one. Raises one of UNREADABLE."""
    return None if bytes(recording.recorded) == NOTHING else _read_rate(value).sample_rate_hz


def level_reference(recordings: Sequence[Recording]) -> LevelReference:
    """What 0 dBm means in a sample: a power at the antenna where all of its receivers are calibrated, or generated."""
    if bytes(recordings[0].recorded) == NOTHING:
        return "dbm"
    references = {_read_reference(recording.recorded).level_reference for recording in recordings}
    return "dbm" if references == {"dbm"} else "dbfs"


def truth_of(recording: Recording) -> Truth | None:
    """Everything that the generator put in; None for a real recording."""
    truth: Truth | None = _read_truth(recording.truth)
    return truth


def pairs_of(value: bytes) -> tuple[PairMeasurement, ...]:
    """What a pair record says of each pair. Raises one of UNREADABLE where it is none of ours."""
    return _read_pairs(value).pairs


def lineage_of(value: bytes) -> Lineage:
    """Where the frame of a feature record was, and its CRC-32. Raises one of UNREADABLE where it does not say so."""
    return _read_origin(value).lineage


def values_of(recordings: Sequence[Recording]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The values of recordings, float64 (n, FEATURE_VALUES), and whether they are what our stages write, bool (n,).

    That is an array of finite doubles, as many as the record's version has. Other values are NaN, and so are those of
    features that the version does not have.
    """
    values = np.full((len(recordings), FEATURE_VALUES), np.nan)
    whole = np.zeros(len(recordings), bool)
    versions = np.array([recording.version for recording in recordings], np.int64)
    for version, features in FEATURES_OF_VERSION.items():
        rows = np.flatnonzero(versions == version)
        count = features * len(STATISTICS)
        values[rows, :count], whole[rows] = _read_values([recordings[row].values for row in rows.tolist()], count)
    return values, whole


def _read_values(raws: Sequence[msgspec.Raw], count: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Arrays of `count` values each, float64 (n, count), and which of them are such; NaN for the others."""
    array = _ARRAY + count.to_bytes(2, "big")
    raw_bytes = _ARRAY_BYTES + count * _VALUE_BYTES
    whole = np.array([len(memoryview(raw)) == raw_bytes for raw in raws], bool)
    raw = np.frombuffer(b"".join([raw for raw, good in zip(raws, whole, strict=True) if good]), np.uint8)
    raw = raw.reshape(-1, raw_bytes)
    cells = raw[:, _ARRAY_BYTES:].reshape(-1, count, _VALUE_BYTES)
    read = np.ascontiguousarray(cells[:, :, 1:]).view(">f8")[:, :, 0].astype(np.float64)
    good = (raw[:, :_ARRAY_BYTES] == np.frombuffer(array, np.uint8)).all(axis=1)
    good &= (cells[:, :, 0] == FLOAT64).all(axis=1) & (np.abs(read) <= _LARGEST).all(axis=1)
    values = np.full((len(raws), count), np.nan)
    values[whole] = np.where(good[:, None], read, np.nan)
    whole[whole] = good
    return values, whole
