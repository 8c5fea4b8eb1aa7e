"""Where the chunks of a recording begin and end."""

import math


def chunk_bounds(sample_count: int, sample_rate_hz: float, chunk_s: float) -> list[tuple[int, int]]:
    """Return ``(start, stop)`` of every chunk, in samples.

    A trailing part of at least half a chunk is a (short) chunk of its own. A shorter one joins no chunk, since
    its statistics would count as much as those of a whole chunk; if it is all there is, it is the only chunk.

    Raises:
        ValueError: the rate or the chunk length is not a positive finite number, or there are no samples.
    """
    for name, value in (("sample_rate_hz", sample_rate_hz), ("chunk_s", chunk_s)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} is {value!r}: it must be a positive finite number")
    if sample_count < 1:
        raise ValueError("the IQ holds no samples: at least one is needed")
    # A chunk longer than the recording is the recording; so a huge product never becomes an integer.
    length = max(1, round(min(sample_rate_hz * chunk_s, 2.0 * sample_count + 1)))
    whole, rest = divmod(sample_count, length)
    bounds = [(i * length, (i + 1) * length) for i in range(whole)]
    if not whole or 2 * rest >= length:
        bounds.append((whole * length, sample_count))
    return bounds
