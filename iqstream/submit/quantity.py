"""Quantities as people write them: `144MHz`, `144mhz`, `33 dBm`, `70 %`; and the same number in other units."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import TypeVar

_NUMBER = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?([0-9]+))?)\s*(?P<unit>.*)", re.DOTALL)
_COMMAS = re.compile(r"([+-]?[0-9]{1,3}(?:,[0-9]{3})+|[+-]?[0-9]+,[0-9]+)(.*)", re.DOTALL)

MAX_DIGITS, MAX_EXPONENT = 60, 400
T = TypeVar("T")

UNITS: Mapping[str, Mapping[str, Fraction]] = {
    "Hz": {"Hz": Fraction(1), "kHz": Fraction(10**3), "MHz": Fraction(10**6), "GHz": Fraction(10**9)},
    "W": {"W": Fraction(1), "mW": Fraction(1, 1000), "kW": Fraction(1000), "MW": Fraction(10**6)},
    "ms": {"ms": Fraction(1), "s": Fraction(1000), "us": Fraction(1, 1000), "µs": Fraction(1, 1000),
           "min": Fraction(60_000)},
    "s": {"s": Fraction(1), "min": Fraction(60), "h": Fraction(3600)},
    "us": {"us": Fraction(1), "µs": Fraction(1), "μs": Fraction(1), "ns": Fraction(1, 1000), "ms": Fraction(1000),
           "s": Fraction(10**6)},
    "m": {"m": Fraction(1), "km": Fraction(1000), "cm": Fraction(1, 100)},
    "km": {"km": Fraction(1), "m": Fraction(1, 1000)},
    "m/s": {"m/s": Fraction(1), "km/h": Fraction(1000, 3600)},
    "dB": {"dB": Fraction(1)},
    "dBi": {"dBi": Fraction(1), "dB": Fraction(1)},
    "deg": {"deg": Fraction(1), "°": Fraction(1)},
    "ppm": {"ppm": Fraction(1), "ppb": Fraction(1, 1000)},
    "share": {"%": Fraction(1, 100)},
    "": {},
}  # fmt: skip
"""By the unit of a field, the units that are understood, in multiples of it. The exact spelling is tried first,
then any case."""
LEVELS: Mapping[str, Mapping[str, float]] = {"W": {"dBm": 0.001, "dBW": 1.0}}
"""By the unit of a field, the levels in decibels that are understood, and what 0 dB is in that unit."""
MOST_DB = 300
_SUFFIXES = (
    ("_m_s", "m/s"), ("_hz", "Hz"), ("_dbi", "dBi"), ("_db", "dB"), ("_deg", "deg"), ("_ppm", "ppm"), ("_ms", "ms"),
    ("_us", "us"), ("_km", "km"), ("_m", "m"), ("_w", "W"), ("_share", "share"), ("latitude", "deg"),
    ("longitude", "deg"),
)  # fmt: skip


def unit_of(field: str) -> str:
    """Returns the unit that a field's name says, a key of `UNITS`; empty for a plain number."""
    return next((unit for suffix, unit in _SUFFIXES if field.endswith(suffix)), "")


def parse_quantity(text: str, unit: str = "", *, example: str = "") -> Fraction:
    """Returns the number that the text says, in `unit`, exactly.

    Raises:
        ValueError: it says none; tells what would be right.
    """
    stripped = text.strip()
    match = _NUMBER.fullmatch(stripped)
    if match is None:
        raise ValueError(f"{text!r} is {_wanted(unit)}" + (f": write {example}" if example else ""))
    if len(match[1]) > MAX_DIGITS:
        raise ValueError(f"a number of {len(match[1])} characters: at most {MAX_DIGITS}")
    if match[2] and int(match[2]) > MAX_EXPONENT:
        raise ValueError(f"{text!r}: an exponent is at most {MAX_EXPONENT}")
    rest = match["unit"].strip()
    if rest.startswith(",") and (commas := _COMMAS.fullmatch(stripped)):
        grouped = re.fullmatch(r"[+-]?[0-9]{1,3}(,[0-9]{3})+", commas[1])
        plain = commas[1].replace(",", "" if grouped else ".") + commas[2]
        raise ValueError(f"{text!r} has a comma: write {plain}")
    if rest.startswith("_"):
        raise ValueError(f"{text!r} has an underscore: write {stripped.replace('_', '')}")
    if (level := _named(rest, LEVELS.get(unit, {}))) is not None:
        return _from_level(Fraction(match[1]), level, text)
    scale = _scale(rest, unit)
    if scale is None:
        known = [*UNITS[unit], *LEVELS.get(unit, {})] if unit != "share" else ["%"]
        right = f"; write {match[1]} or {match[1]}{known[0]}" if known else f"; write {match[1]}"
        among = f"none of {', '.join(known)}" if len(known) > 1 else "no unit of it"
        raise ValueError(f"{text!r}: {rest!r} is {among}{right}")
    return Fraction(match[1]) * scale


def dbm(watts: float) -> float:
    """Returns a power as a level."""
    return 10 * math.log10(1000 * watts)


def to_float(number: Fraction) -> float:
    """Returns the nearest float; infinity where there is none."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def shown(value: float, unit: str = "") -> str:
    """Returns a quantity as people read it: `50 MHz`, `0.5`, `144 Hz`."""
    if unit in {"", "share"}:
        if isinstance(value, int):
            return f"{value}" if abs(value) < 10**20 else f"a number of {len(str(abs(value)))} digits"
        return f"{value:.12g}"
    if unit == "Hz" and math.isfinite(value):
        name = next((n for n in ("GHz", "MHz", "kHz") if abs(value) >= UNITS["Hz"][n]), "Hz")
        return f"{value / float(UNITS['Hz'][name]):.12g} {name}"
    return f"{value:.12g} {unit}"


def other_units(text: str, unit: str) -> list[tuple[str, Fraction]]:
    """Returns what the same number is with every other unit of its kind: (as text, in `unit`)."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        return []
    number = Fraction(match[1])
    return [(f"{match[1]}{name}", number * scale) for name, scale in UNITS[unit].items() if scale != 1]


def _from_level(decibels: Fraction, zero: float, text: str) -> Fraction:
    """The quantity of a level; `zero` is that of 0 dB."""
    if abs(decibels) > MOST_DB:
        raise ValueError(f"{text!r}: a level is from -{MOST_DB} to {MOST_DB} dB")
    return Fraction(zero * 10.0 ** (float(decibels) / 10))


def _scale(name: str, unit: str) -> Fraction | None:
    return Fraction(1) if not name else _named(name, UNITS[unit])


def _named(name: str, units: Mapping[str, T]) -> T | None:
    """By its exact spelling, else by any case."""
    if name in units:
        return units[name]
    return next((found for known, found in units.items() if known.casefold() == name.casefold()), None)


def _wanted(unit: str) -> str:
    return {
        "Hz": "not a frequency", "W": "not a power in watts", "ms": "not a duration", "us": "not a duration",
        "s": "not a duration", "m": "not a length", "km": "not a length", "m/s": "not a speed",
        "deg": "not an angle in degrees",
    }.get(unit, "not a number")  # fmt: skip
