"""Where a receiver of rtl_tcp is, how it is set, and the commands that set it so."""

import struct
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

DEFAULT_PORT = 1234
_COMMAND = struct.Struct(">BI")
"""Which, and its number."""
_FREQUENCY, _RATE, _MANUAL_GAIN, _GAIN, _PPM, _AGC = 0x01, 0x02, 0x03, 0x04, 0x05, 0x08
_RATES_HZ = ((225_001, 300_000), (900_001, 3_200_000))
"""Of an RTL2832; at others the server goes on at the rate before, and says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server listens."""

    host: str
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The address of `rtl_tcp://host:port`.

        Raises:
            ValueError: says what is wrong with it.
        """
        scheme, separator, rest = text.partition("://")  # urlsplit takes none with an underscore
        parts = urlsplit(f"//{rest}")
        if (scheme, separator) != ("rtl_tcp", "://") or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError(f"{text!r} is no receiver: write rtl_tcp://HOST:PORT")
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError(f"{text!r}: only rtl_tcp://HOST:PORT can be said; how it is tuned is said by options")
        port = parts.port  # raises ValueError where it is none
        return cls(host=parts.hostname, port=DEFAULT_PORT if port is None else port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How a receiver is set.

    Raises:
        ValueError: names the field and what is allowed.
    """

    center_frequency_hz: int
    sample_rate_hz: int
    gain_db: float | None
    """Of the tuner, which takes its nearest step; None: its automatic gain control."""
    agc: bool = False
    """The automatic gain control of the digital part, behind the tuner."""
    ppm: int = 0
    """By how much its oscillator is known to be fast."""

    def __post_init__(self) -> None:
        if not 1 <= self.center_frequency_hz < 2**32:
            raise ValueError(f"center_frequency_hz {self.center_frequency_hz}: allowed are 1 to {2**32 - 1}")
        if not any(low <= self.sample_rate_hz <= high for low, high in _RATES_HZ):
            ranges = " and ".join(f"{low} to {high}" for low, high in _RATES_HZ)
            raise ValueError(f"sample_rate_hz {self.sample_rate_hz}: an RTL2832 has {ranges}")
        if self.gain_db is not None and not -20 <= self.gain_db <= 100:
            raise ValueError(f"gain_db {self.gain_db}: allowed are -20 to 100, or auto")
        if not -1000 <= self.ppm <= 1000:
            raise ValueError(f"ppm {self.ppm}: allowed are -1000 to 1000")

    @property
    def automatic(self) -> bool:
        """Whether a gain control changes levels."""
        return self.agc or self.gain_db is None

    def commands(self) -> bytes:
        """What sets a receiver so."""
        said = [(_RATE, self.sample_rate_hz), (_PPM, self.ppm % 2**32), (_FREQUENCY, self.center_frequency_hz)]
        said.append((_MANUAL_GAIN, int(self.gain_db is not None)))
        if self.gain_db is not None:
            said.append((_GAIN, round(self.gain_db * 10) % 2**32))
        said.append((_AGC, int(self.agc)))
        return b"".join(_COMMAND.pack(*each) for each in said)
