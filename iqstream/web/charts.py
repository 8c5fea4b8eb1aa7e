"""Small charts as SVG: a line over time, a histogram, the ground below a path."""

from __future__ import annotations

from collections.abc import Sequence

from iqstream.web.markup import Markup, el
from iqstream.web.page import duration

WIDTH, HEIGHT = 600.0, 80.0


def history_line(points: Sequence[tuple[float, int]], name: str) -> Markup:
    """Returns a backlog over time (s) as a line, from 0 to its highest."""
    if len(points) < 2:
        return el("p", f"{name}: its history begins now.", class_="empty")
    first, last = points[0][0], points[-1][0]
    most, span = max(1, *(value for _, value in points)), max(1e-9, last - first)
    line = " ".join(
        f"{(at - first) / span * WIDTH:.1f},{HEIGHT - value / most * (HEIGHT - 4):.1f}" for at, value in points
    )
    told = f"{name}: backlog over the last {duration(last - first)}: at most {most:,}, now {points[-1][1]:,}"
    return _figure(el("polyline", points=line, class_="line"), told, class_="history")


def histogram(counts: Sequence[int], told: str) -> Markup:
    """Returns counts in bins of equal width as bars."""
    most, width = max(1, *counts), WIDTH / len(counts)
    bars = [
        el(
            "rect", x=round(at * width, 1), width=round(width * 0.9, 1), height=round(count / most * HEIGHT, 1),
            y=round(HEIGHT - count / most * HEIGHT, 1), class_="bar",
        )
        for at, count in enumerate(counts)
    ]  # fmt: skip
    return _figure(bars, told)


def path_profile(
    distances_km: Sequence[float], ground_m: Sequence[float], ray_m: tuple[float, float], told: str
) -> Markup:
    """Returns the ground between a transmitter, on the left, and a receiver, with the ray as a straight line."""
    low, high = min(0.0, *ground_m), max(*ground_m, *ray_m)
    span = max(1.0, high - low)

    def at(km: float, m: float) -> str:
        return f"{km / distances_km[-1] * WIDTH:.1f},{HEIGHT - (m - low) / span * (HEIGHT - 4):.1f}"

    ground = [at(km, m) for km, m in zip(distances_km, ground_m, strict=True)]
    shapes = [
        el("polygon", points=" ".join([f"0,{HEIGHT:g}", *ground, f"{WIDTH:g},{HEIGHT:g}"]), class_="ground"),
        el("polyline", points=f"{at(0.0, ray_m[0])} {at(distances_km[-1], ray_m[1])}", class_="line"),
    ]
    return _figure(shapes, told, class_="profile")


def _figure(shapes: Markup | Sequence[Markup], told: str, *, class_: str | None = None) -> Markup:
    svg = el(
        "svg", shapes, viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", preserveAspectRatio="none", role="img", aria_label=told,
        class_=class_,
    )  # fmt: skip
    return el("figure", svg, el("figcaption", told))
