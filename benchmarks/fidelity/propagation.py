"""The propagation model beside its reference values and beside Longley-Rice.

`python -m benchmarks.fidelity.propagation` prints the chapter.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from benchmarks.fidelity.longley_rice import REGIMES, Comparison, compare, longley_rice
from producer.diffraction import DEFAULT_EFFECTIVE_RADIUS_KM, obstruction
from producer.fractal import fill_fractal, octave_gains, octave_keys
from producer.noise import noise_dbm, thermal_noise_dbm
from producer.procedural import procedural_ground
from producer.propagation import (
    bullington_loss_db,
    clutter_loss_db,
    delta_bullington_loss_db,
    free_space_loss_db,
    knife_edge_loss_db,
)
from producer.terrain import Profile, profile
from schemas import Terrain
from schemas.dataset import ITALY_NORTH_WEST

PATHS = 400
SMOOTH_HZ = (50e6, 145e6, 432e6)
SMOOTH_KM = (5, 10, 20, 30, 50, 80)
SMOOTH_TX_M = (2.0, 10.0, 30.0)


def reference_values() -> list[dict[str, Any]]:
    """Every reference value with what the generator gives, the unit and the tolerance of its rounding."""
    rows = [
        ("free space, 145 MHz, 1 km", free_space_loss_db(145e6, 1e3), 75.675, "dB", 1e-3),
        ("free space, 145 MHz, 50 km", free_space_loss_db(145e6, 50e3), 109.655, "dB", 1e-3),
        ("free space, 145 MHz, 150 km", free_space_loss_db(145e6, 150e3), 119.197, "dB", 1e-3),
        ("free space, 432 MHz, 50 km", free_space_loss_db(432e6, 50e3), 119.137, "dB", 1e-3),
    ]
    edges = {-0.5: 1.959, 0: 6.033, 0.5: 10.288, 1: 13.926, 2: 19.043, 3: 22.416, 5: 26.814, 10: 32.855}
    rows += [(f"knife edge, nu = {nu:g}", knife_edge_loss_db(nu), loss, "dB", 1e-3) for nu, loss in edges.items()]
    distances = np.linspace(0.0, 50.0, 501)
    spike = np.where(np.arange(501) == 250, 300.0, 0.0)
    rows += [
        ("Bullington part, 300 m spike", bullington_loss_db(distances, spike, 10, 10, 145e6, 8495.0), 32.78, "dB", 0.01)
    ]
    rows += [
        (f"earth bulge at mid-path, {km} km", mid_bulge_m(km), metres, "m", 0.05)
        for km, metres in ((50, 36.8), (100, 147.2), (150, 331.1))
    ]
    clutter = {
        145: {"rural": 13.68, "suburban": 11.19, "urban": 14.74, "dense_urban": 17.16},
        432: {"rural": 16.10, "suburban": 15.62, "urban": 19.39, "dense_urban": 21.88},
    }
    rows += [
        (f"clutter at 1.5 m, {mhz} MHz, {kind}", clutter_loss_db(1.5, mhz * 1e6, kind), loss, "dB", 5e-3)
        for mhz, kinds in clutter.items()
        for kind, loss in kinds.items()
    ]
    rows += [
        ("k T0 B, 200 kHz", thermal_noise_dbm(200e3), -120.96, "dBm", 0.01),
        ("k T0 B, 12.5 kHz", thermal_noise_dbm(12.5e3), -133.01, "dBm", 0.01),
    ]
    rows += [
        (f"noise, 145 MHz, 200 kHz, {place}", noise_dbm(145e6, 200e3, 6.0, place), level, "dBm", 0.06)
        for place, level in (("city", -103.8), ("residential", -107.7), ("rural", -111.7))
    ]
    names = ("what", "measured", "expected", "unit", "tolerance")
    return [dict(zip(names, row, strict=True)) for row in rows]


def mid_bulge_m(length_km: float) -> float:
    """Height of the earth over the chord half-way."""
    distances = np.linspace(0.0, length_km, 501)
    seen = obstruction(distances, np.zeros(501), 1e3, 1e3, DEFAULT_EFFECTIVE_RADIUS_KM)
    return 1e3 - seen.clearance_m


def smooth_earth_differences() -> list[dict[str, Any]]:
    """Ours less Longley-Rice's over a bare sphere, receiver at 20 m, as far as Longley-Rice sees no scatter."""
    rows = []
    for hz in SMOOTH_HZ:
        for km in SMOOTH_KM:
            points = 5 * km + 1
            way = Profile(distances_km=np.linspace(0.0, km, points), heights_m=np.zeros(points))
            for tx_m in SMOOTH_TX_M:
                theirs = longley_rice(way, tx_m, 20.0, hz)
                if theirs.regime == "beyond the horizon":
                    continue
                ours_db = delta_bullington_loss_db(way.distances_km, way.heights_m, tx_m, 20.0, hz)
                rows.append(
                    {
                        "frequency_hz": hz,
                        "distance_km": km,
                        "tx_height_m": tx_m,
                        "ours_db": ours_db,
                        "longley_rice_db": theirs.attenuation_db,
                        "difference_db": ours_db - theirs.attenuation_db,
                    }
                )
    return rows


def lonely_ridge() -> dict[str, float]:
    """A ridge of 300 m, 3 km to either side, half-way along 50 km; antennas of 10 and 20 m, 145 MHz."""
    distances = np.linspace(0.0, 50.0, 251)
    heights = 300 * np.maximum(0, 1 - np.abs(distances - 25) / 3)
    theirs = longley_rice(Profile(distances_km=distances, heights_m=heights), 10.0, 20.0, 145e6)
    return {
        "ours_db": delta_bullington_loss_db(distances, heights, 10.0, 20.0, 145e6),
        "longley_rice_db": theirs.attenuation_db,
        "clutter_factor_db": theirs.clutter_factor_db,
    }


def by_regime(found: list[Comparison]) -> list[dict[str, Any]]:
    """Differences over rough ground, ours less Longley-Rice's, with and without its clutter factor."""
    rows = []
    for regime in REGIMES:
        own = [one for one in found if one.regime == regime]
        if len(own) < 2:
            continue
        differences = np.array([one.difference_db for one in own])
        bare = differences + [one.clutter_factor_db for one in own]
        rows.append(
            {
                "regime": regime,
                "paths": len(own),
                "bias_db": float(differences.mean()),
                "spread_db": float(differences.std(ddof=1)),
                "p5_db": float(np.quantile(differences, 0.05)),
                "p95_db": float(np.quantile(differences, 0.95)),
                "bias_without_clutter_factor_db": None if regime == "line of sight" else float(bare.mean()),
                "mean_loss_db": float(np.mean([one.longley_rice_db for one in own])),
            }
        )
    return rows


def hurst_exponent(hurst: float, lines: int = 100) -> float:
    """Growth of the detail's root mean square differences from 200 m to 3.2 km, over lines of 200 km."""
    rng = np.random.default_rng(7)
    along_m, lags = np.arange(0, 200_000.0, 100.0), np.array([2, 4, 8, 16, 32])
    squares = np.zeros(lags.size)
    for number in range(lines):
        angle, heights = rng.uniform(0, 2 * math.pi), np.empty(along_m.size)
        east_m, north_m = along_m * math.cos(angle), along_m * math.sin(angle) + rng.uniform(0, 1e6)
        fill_fractal(east_m, north_m, octave_gains(hurst), octave_keys(number), heights)
        squares += [np.mean((heights[lag:] - heights[:-lag]) ** 2) for lag in lags]
    return float(np.polyfit(np.log(lags), 0.5 * np.log(squares), 1)[0])


def section(images: Path) -> str:
    """The chapter; its picture goes to `images`."""
    found = compare(PATHS)
    draw(found, images / "propagation-longley-rice.svg")
    draw_ground(images / "propagation-ground.png")
    return "\n".join(chapter(found, f"{images.parent.name}/{images.name}"))


def chapter(found: list[Comparison], images: str) -> Iterator[str]:
    """Lines of Markdown."""
    yield "# Propagation\n\n## Reference values\n\n| what | measured | expected | difference |\n|---|---|---|---|"
    for row in reference_values():
        gap = row["measured"] - row["expected"]
        yield f"| {row['what']} | {row['measured']:.3f} {row['unit']} | {row['expected']:g} | {gap:+.4f} |"
    smooth = smooth_earth_differences()
    gaps = np.array([row["difference_db"] for row in smooth])
    yield "\n## Beside Longley-Rice\n\nSame profile, antennas, frequency and effective radius; reference attenuation of"
    yield "`itmlogic`, vertical polarisation. **Over a bare sphere**"
    yield f"({len(smooth)} paths of 5-80 km, 50-432 MHz, before its scatter sets in) the two differ by"
    yield f"{gaps.mean():+.1f} dB on average and {np.abs(gaps).max():.1f} dB at most: the same physics."
    yield f"**Over procedural terrain** ({len(found)} paths, each with a seed of its own, 5-200 km, antennas 1.5-30 m"
    yield "and 20 m, 50-500 MHz), ours less Longley-Rice's:\n"
    yield "| receiver | paths | bias | spread | 5-95 % | bias without its clutter factor | its mean loss |"
    yield "|---|---|---|---|---|---|---|"
    for row in by_regime(found):
        bare = row["bias_without_clutter_factor_db"]
        yield (
            f"| {row['regime']} | {row['paths']} | {row['bias_db']:+.1f} dB | {row['spread_db']:.1f} dB | "
            f"{row['p5_db']:+.1f} .. {row['p95_db']:+.1f} dB | {'' if bare is None else f'{bare:+.1f} dB'} | "
            f"{row['mean_loss_db']:.1f} dB |"
        )
    ridge = lonely_ridge()
    yield "\nWhere the antennas see each other, the two agree. Behind ridges Longley-Rice loses more, for two reasons:"
    yield "it adds a clutter factor of up to 15 dB on rough ground (ours is apart, P.2108), and it mixes its two knife"
    yield "edges with the loss of a rounded earth laid through both horizons, which a lonely ridge has not: behind one"
    yield f"of 300 m in the middle of 50 km of flat ground it loses {ridge['longley_rice_db']:.0f} dB, of which"
    yield f"{ridge['clutter_factor_db']:.0f} clutter, and delta-Bullington {ridge['ours_db']:.0f} dB. Far beyond the"
    yield "horizon of flat ground it goes over to tropospheric scatter, which is not modelled here: there our loss"
    yield "keeps growing."
    yield f"\n![Ours against Longley-Rice]({images}/propagation-longley-rice.svg)\n"
    yield "## Terrain\n\nThe default dataset's procedural terrain, its receivers, and a profile from Giaveno to"
    yield "Milan.\n"
    yield f"![Procedural terrain]({images}/propagation-ground.png)\n"
    yield "| Hurst exponent asked for | measured, 200 m to 3.2 km |\n|---|---|"
    for hurst in (0.7, 0.8, 0.9):
        yield f"| {hurst} | {hurst_exponent(hurst):.3f} |"
    yield ""


def draw(found: list[Comparison], path: Path) -> None:
    """Our loss against Longley-Rice's, path by path."""
    mpl.use("svg")
    from matplotlib import pyplot as plt

    with mpl.rc_context({"svg.hashsalt": "iqstream", "svg.fonttype": "none", "font.size": 8}):
        figure, axes = plt.subplots(figsize=(4.2, 3.6), layout="constrained")
        for regime in REGIMES:
            own = [one for one in found if one.regime == regime]
            axes.plot([o.longley_rice_db for o in own], [o.ours_db for o in own], ".", ms=4, label=regime)
        axes.plot([0, 100], [0, 100], ":", color="grey")
        axes.set(xlabel="Longley-Rice, dB beyond free space", ylabel="delta-Bullington, dB beyond free space")
        axes.legend(frameon=False)
        axes.grid(visible=True, alpha=0.3)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def draw_ground(path: Path) -> None:
    """The default terrain as a map, and the longest way between two of its receivers as a profile."""
    mpl.use("svg")
    from matplotlib import pyplot as plt

    ground = procedural_ground(ITALY_NORTH_WEST, Terrain())
    latitudes, longitudes = np.linspace(43.9, 46.0, 420), np.linspace(6.7, 9.7, 420)
    heights = np.array([ground.heights_m(np.full(420, latitude), longitudes) for latitude in latitudes])
    ends = [(r.latitude, r.longitude, r.altitude_m) for r in (ITALY_NORTH_WEST[0], ITALY_NORTH_WEST[-1])]
    way = profile(ground, *ends, step_m=100.0)
    with mpl.rc_context({"font.size": 8}):
        figure, (chart, side) = plt.subplots(
            2, 1, figsize=(6.4, 6.4), height_ratios=(4, 1), layout="constrained", dpi=80
        )
        colours = plt.get_cmap("terrain")(np.linspace(0.25, 1.0, 256))
        land = mpl.colors.ListedColormap(colours)
        land.set_under("#9ecae1")
        shown = chart.imshow(
            heights, origin="lower", extent=(6.7, 9.7, 43.9, 46.0), aspect=1.42, cmap=land, vmin=0.5, vmax=3000
        )
        figure.colorbar(shown, ax=chart, label="metres above sea level", shrink=0.8)
        for receiver in ITALY_NORTH_WEST:
            chart.plot(receiver.longitude, receiver.latitude, "k^", ms=5)
            chart.annotate(
                receiver.rx_id,
                (receiver.longitude, receiver.latitude),
                xytext=(4, -9 if receiver.rx_id == "giaveno" else 4),
                textcoords="offset points",
            )
        bulge_m = way.distances_km * (way.distances_km[-1] - way.distances_km) * 500 / DEFAULT_EFFECTIVE_RADIUS_KM
        side.fill_between(way.distances_km, bulge_m, way.heights_m + bulge_m, color="0.7")
        side.plot(way.distances_km[[0, -1]], way.heights_m[[0, -1]] + 20.0, "k-", lw=0.8)
        side.set(xlabel="km from Giaveno to Milan, over the earth's bulge", ylabel="m", ylim=(0, None))
        figure.savefig(path, metadata={"Software": None})
        plt.close(figure)


if __name__ == "__main__":
    print("\n".join(chapter(compare(PATHS), "images/fidelity")))
