"""Coarse relief of north-west Italy: mean height of the ground on a grid of a quarter of a degree.

From the western Alps over the Po plain to Milan, with the Apennines, the Ligurian Sea (negative) and the Alps'
southern valleys. Heights are rounded means of the surroundings, read off maps; the detail is drawn on top.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from producer.kernel import inlined

SOUTH, WEST, SPACING_DEG = 43.5, 6.5, 0.25
FADE_DEG = 0.5
"""Beyond the grid its edge fades over this distance into what is known elsewhere."""


def _grid() -> npt.NDArray[np.float64]:
    rows_from_north = """
        900  1500  1600  1500  1700  1800  2300  1900  1700  1500  1300  1400  1600  1900  2000
       1500  1700  2200  2300  2800  3000  2300  1300  1000   600   700   800  1200  1500  1500
       1600  2300  1900  1400  1800  2200  1200   600   350   300   300   350   600   600   700
       1700  2300  2500  2600  1800   600   280   180   150   150   130   120   110   130   130
       2000  2200  2600  2300  1000   320   220   140   120   105    90    85    75    65    55
       2300  2200  2100  1000   300   320   230   180   100    85    80    90    80    70    55
       2300  2200  2000   900   300   250   250   220   130   150   350   700   700   300   150
       2000  2300  2200  1300   450   400   450   450   500   550   600   900   900   800   600
       1900  2200  2200  1900   900   600   600   500   -50  -500  -600  -300   300   500   700
       1500  1800  2000  2000  1700  1200   700  -200  -900 -1200 -1100  -700  -300  -100   -50
        700   800   700   200   100  -100  -700 -1500 -2000 -1800 -1500  -800  -500  -300  -100
        300   200    30  -600 -1500 -2000 -2200 -2300 -2300 -2300 -1900 -1200  -800  -500  -300
    """
    rows = [[float(value) for value in row.split()] for row in rows_from_north.strip().splitlines()]
    grid = np.array(rows[::-1])
    grid.setflags(write=False)
    return grid


GRID_M: Final = _grid()
"""Metres above sea level, float64, shape (rows from south, columns from west)."""


@inlined
def relief_at(latitude: float, longitude: float, grid_m: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Coarse height, bilinear, and the weight it has there: 1 on the grid, falling to 0 over FADE_DEG beside it."""
    y, x = (latitude - SOUTH) / SPACING_DEG, (longitude - WEST) / SPACING_DEG
    last_y, last_x = grid_m.shape[0] - 1.0, grid_m.shape[1] - 1.0
    inner_y, inner_x = min(max(y, 0.0), last_y), min(max(x, 0.0), last_x)
    outside = max(abs(y - inner_y), abs(x - inner_x)) * (SPACING_DEG / FADE_DEG)
    row, column = min(int(inner_y), grid_m.shape[0] - 2), min(int(inner_x), grid_m.shape[1] - 2)
    v, u = inner_y - row, inner_x - column
    low = grid_m[row, column] + u * (grid_m[row, column + 1] - grid_m[row, column])
    high = grid_m[row + 1, column] + u * (grid_m[row + 1, column + 1] - grid_m[row + 1, column])
    return low + v * (high - low), max(1.0 - outside, 0.0)
