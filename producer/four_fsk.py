"""Four-level frequency-shift keying as in DMR (ETSI TS 102 361-1, clause 10.2): data without a pause.

4800 symbols a second at -3, -1, +1 and +3 times 648 Hz: deviation index h = 0.27, outer deviation
3 h / 2 T = 1944 Hz. Impulses pass a root-raised-cosine filter with a roll-off of 0.2, of which the receiver's
is the other half: behind both, the frequency at the middle of a symbol is the symbol's.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft

from producer.angle import AngleModulated, frequency_modulated
from producer.spline import node_response, nodes_for

SYMBOLS_PER_S = 4_800.0
OUTER_DEVIATION_HZ = 1_944.0
ROLL_OFF = 0.2
NODES_PER_SYMBOL = 12
HALF_BANDWIDTH_HZ = OUTER_DEVIATION_HZ + SYMBOLS_PER_S / 2 * (1 + ROLL_OFF)
"""By Carson's rule: outer deviation + highest frequency behind the filter."""
_LEVELS = np.array([-1.0, -1 / 3, 1 / 3, 1.0], np.float32)


def four_fsk(count: int, *, sample_rate_hz: float, data: np.random.Generator) -> AngleModulated:
    """Independent symbols; the first recorded instant lies anywhere in one."""
    node_rate_hz = SYMBOLS_PER_S * NODES_PER_SYMBOL
    first = NODES_PER_SYMBOL * data.random()
    nodes = nodes_for(count, node_rate_hz / sample_rate_hz) + NODES_PER_SYMBOL
    symbols = _LEVELS[data.integers(0, 4, size=2 * fft.next_fast_len(-(-nodes // (2 * NODES_PER_SYMBOL))))]
    return frequency_modulated(
        shaped(symbols)[int(first) :],
        count,
        node_rate_hz=node_rate_hz,
        sample_rate_hz=sample_rate_hz,
        deviation_hz=OUTER_DEVIATION_HZ,
        first=first % 1.0,
    )


def shaped(symbols: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """An even number of symbols, repeated for ever, behind the filter: spline coefficients, float32.

    NODES_PER_SYMBOL of them a symbol, whose middle lies on node NODES_PER_SYMBOL k.
    """
    gains = _filter_gains(symbols.size)
    spectrum = np.empty(gains.size, np.complex64)
    half = symbols.size // 2 + 1
    spectrum[:half] = fft.rfft(symbols, workers=1)
    spectrum[half:] = spectrum[2 * half - 2 - gains.size + 1 : half - 1][::-1].conj()
    nodes: npt.NDArray[np.float32] = fft.irfft(spectrum * gains, n=NODES_PER_SYMBOL * symbols.size, workers=1)
    return nodes


@lru_cache(maxsize=8)
def _filter_gains(symbols: int) -> npt.NDArray[np.float32]:
    """The filter at multiples of 1 / `symbols` of the symbol rate, up to where it closes."""
    cycles = np.arange(int(symbols * (1 + ROLL_OFF) / 2) + 1) / symbols
    roll = np.clip((cycles - (1 - ROLL_OFF) / 2) / ROLL_OFF, 0.0, 1.0)
    gains = NODES_PER_SYMBOL * np.cos(np.pi / 2 * roll) / node_response(cycles / NODES_PER_SYMBOL)
    frozen: npt.NDArray[np.float32] = gains.astype(np.float32)
    frozen.setflags(write=False)
    return frozen
