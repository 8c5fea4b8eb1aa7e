"""iqstream: training data for locating radio transmitters, as a stream.

`iqstream.connect()` returns a client for scripts and notebooks, `iqstream.aconnect()` one for asynchronous code.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iqstream.client.asynchronous import AsyncClient as AsyncClient
    from iqstream.client.asynchronous import aconnect as aconnect
    from iqstream.client.synchronous import Client as Client
    from iqstream.client.synchronous import connect as connect
    from iqstream.dead_letters.letter import DeadLetterFilter as DeadLetterFilter
    from iqstream.positions.target import ShiftBy as ShiftBy
    from iqstream.positions.target import ToCurrent as ToCurrent
    from iqstream.positions.target import ToEarliest as ToEarliest
    from iqstream.positions.target import ToLatest as ToLatest
    from iqstream.positions.target import ToOffset as ToOffset
    from iqstream.positions.target import ToOffsets as ToOffsets
    from iqstream.positions.target import ToTime as ToTime
    from iqstream.submit.spec import make_spec as make_spec
    from iqstream.submit.spec import preset as preset

__version__ = "0.1.0"

_WHERE = {
    "AsyncClient": "iqstream.client.asynchronous",
    "Client": "iqstream.client.synchronous",
    "aconnect": "iqstream.client.asynchronous",
    "connect": "iqstream.client.synchronous",
    "make_spec": "iqstream.submit.spec",
    "DeadLetterFilter": "iqstream.dead_letters.letter",
    **dict.fromkeys(
        ("ShiftBy", "ToCurrent", "ToEarliest", "ToLatest", "ToOffset", "ToOffsets", "ToTime"),
        "iqstream.positions.target",
    ),
    "preset": "iqstream.submit.spec",
}
"""Imported when they are asked for: a command's start waits for nothing that it does not use."""


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
