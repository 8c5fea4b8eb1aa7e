"""What a process tells the processes that it starts: a JSON value in memory that they share with it."""

import json
import os
import struct
from multiprocessing import RawArray
from multiprocessing.context import get_spawning_popen
from typing import Any
from zlib import crc32

from iqstream.runtime.errors import UserError

SIZE = 1 << 20
"""Bytes; a partition takes about 120."""
_HEAD = struct.Struct("<II")


class Shared:
    """Written by one process; children see what was written last, be they forked or spawned, before or after it.

    Any other copy, as by `copy` or `pickle`, has its own from then on, and so has a child that writes.
    """

    def __init__(self, value: Any) -> None:  # noqa: ANN401  # JSON
        self._make()
        self.value = value

    def _make(self) -> None:
        self._owner = os.getpid()
        self._memory = RawArray("B", SIZE)

    @property
    def value(self) -> Any:  # noqa: ANN401  # JSON
        """What was written last. Being written meanwhile shows in the checksum: it is read again."""
        memory = memoryview(self._memory).cast("B")
        while True:
            length, checksum = _HEAD.unpack_from(memory)
            text = bytes(memory[_HEAD.size : _HEAD.size + length])
            if crc32(text) == checksum:
                return json.loads(text)

    @value.setter
    def value(self, value: Any) -> None:  # noqa: ANN401  # JSON
        text = json.dumps(value).encode()
        if _HEAD.size + len(text) > SIZE:
            raise UserError(f"state: {len(text)} bytes are more than the {SIZE} that loader workers can be told")
        if self._owner != os.getpid():
            self._make()
        memory = memoryview(self._memory).cast("B")
        memory[_HEAD.size : _HEAD.size + len(text)] = text
        _HEAD.pack_into(memory, 0, len(text), crc32(text))

    def __getstate__(self) -> dict[str, Any]:
        return {"value": self.value} if get_spawning_popen() is None else self.__dict__

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "value" in state:
            self._make()
        for name, value in state.items():
            setattr(self, name, value)
