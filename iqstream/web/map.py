"""A map as SVG: receivers and transmitters at their places, without tiles from anywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

from iqstream.catalogue.datasets import Dataset
from iqstream.dataset_relief import region_of
from iqstream.web.labels import LETTER, Label, labels
from iqstream.web.markup import Markup, el
from schemas import DatasetSpec, Station

WIDTH, MARGIN = 900.0, 40.0
MAX_HEIGHT = 900.0
FEW_LINKS = 60
"""More of them are drawn faintly, so that what lies below is seen."""
_STRENGTHS = (("strong", 10.0), ("weak", 0.0), ("lost", -math.inf))


Mark: TypeAlias = tuple[float, float, str, str]
"""Latitude, longitude (degrees), class, and what a pointer is told."""
Ray: TypeAlias = tuple[float, float, str, float]
"""Latitude and longitude of the transmitter, rx_id, SNR in dB."""


def dataset_map(dataset: Dataset, marks: Sequence[Mark], links: Sequence[Ray]) -> Markup:
    """Returns the map of a dataset's network; of one that was generated with its region and the ground there."""
    spec = dataset.spec
    if not isinstance(spec, DatasetSpec):
        return receivers_map(spec.receivers, marks, links=links)
    ground = f"/api/v1/datasets/{dataset.id}/hillshade.png"
    return receivers_map(spec.receivers, marks, links=links, margin_deg=spec.scenario.margin_deg, ground=ground)


def receivers_map(
    stations: Sequence[Station],
    marks: Sequence[Mark],
    *,
    links: Sequence[Ray] = (),
    margin_deg: float | None = None,
    ground: str | None = None,
) -> Markup:
    """Returns a map of receivers and of marks.

    Args:
        stations: the network; one whose place is not known is named below the map.
        marks: transmitters.
        links: from transmitters to receivers, drawn by their SNR; none of a receiver that is not in the network.
        margin_deg: how far around the receivers transmitters may stand; the region is drawn.
        ground: the address of a picture of the region's ground, drawn below everything.
    """
    receivers = [placed for station in stations if (placed := station.placed) is not None]
    unknown = [station.rx_id for station in stations if station.placed is None]
    where = f"Where {', '.join(unknown)} stood is not known. " if unknown else ""
    if not receivers and not marks:
        return el("p", where, class_="empty")
    latitudes = [one.latitude for one in receivers] + [mark[0] for mark in marks]
    longitudes = [one.longitude for one in receivers] + [mark[1] for mark in marks]
    region: tuple[float, float, float, float] | None = None
    if margin_deg is not None:
        region = region_of(receivers, margin_deg)
        latitudes += [region[0], region[2]]
        longitudes += [region[1], region[3]]
    south, west = min(latitudes), min(longitudes)
    squeeze = math.cos(math.radians((south + max(latitudes)) / 2))
    wide = max((max(longitudes) - west) * squeeze, 1e-6)
    high = max(max(latitudes) - south, 1e-6)
    scale = min((WIDTH - 2 * MARGIN) / wide, (MAX_HEIGHT - 2 * MARGIN) / high)
    width, height = wide * scale + 2 * MARGIN, high * scale + 2 * MARGIN

    def place(latitude: float, longitude: float) -> tuple[float, float]:
        return (
            round(MARGIN + (longitude - west) * squeeze * scale, 1),
            round(height - MARGIN - (latitude - south) * scale, 1),
        )

    dots = []
    for latitude, longitude, kind, told in marks:
        x, y = place(latitude, longitude)
        dots.append(el("circle", el("title", told), cx=x, cy=y, r=6, class_=kind))
    area = None
    if region is not None:
        (left, bottom), (right, top) = place(*region[:2]), place(*region[2:])
        box: dict[str, float] = {"x": left, "y": top, "width": round(right - left, 1), "height": round(bottom - top, 1)}
        area = [
            el("image", href=ground, preserveAspectRatio="none", **box) if ground else None,
            el("rect", class_="region", **box),
        ]
    places = {one.rx_id: place(one.latitude, one.longitude) for one in receivers}
    lines = []
    for latitude, longitude, rx_id, snr_db in links:
        if rx_id in places:
            (x1, y1), (x2, y2) = place(latitude, longitude), places[rx_id]
            strength = next(kind for kind, least in _STRENGTHS if snr_db >= least)
            told = el("title", f"{rx_id}: {snr_db:.1f} dB")
            lines.append(el("line", told, x1=x1, y1=y1, x2=x2, y2=y2, class_=f"link {strength}"))
    names = labels(places, width, height)
    triangles = [_receiver(rx_id, x, y, names.get(rx_id)) for rx_id, (x, y) in places.items()]
    bar_km = 10 ** math.floor(math.log10(max(wide * 111.2 / 3, 1e-3)))
    bar = bar_km / 111.2 * scale
    ruler = el(
        "g",
        el("line", x1=MARGIN, y1=height - 12, x2=round(MARGIN + bar, 1), y2=height - 12, class_="ruler"),
        el("text", f"{bar_km:g} km", x=round(MARGIN + bar + 6, 1), y=height - 8),
    )
    label = f"Map of {len(receivers)} receivers and {len(marks)} transmitters, north up"
    svg = el(
        "svg",
        area,
        el("g", lines, class_="many" if len(lines) > FEW_LINKS else None),
        dots,
        triangles,
        ruler,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="img",
        aria_label=label,
    )
    return el(
        "figure",
        svg,
        el("figcaption", where, _legend(marks, links=bool(lines), region=region is not None)),
        class_="map",
    )


def _receiver(rx_id: str, x: float, y: float, label: Label | None) -> Markup:
    triangle = el("polygon", points=f"{x},{y - 9} {x - 8},{y + 6} {x + 8},{y + 6}", class_="receiver")
    if label is None:  # no room for its name; the pointer is told it
        return el("g", el("title", rx_id), triangle)
    near_x = round(min(max(x, label.x), label.x + LETTER * len(rx_id)), 1)
    leader = None if label.is_near else el("line", x1=x, y1=y, x2=near_x, y2=label.y - 6, class_="leader")
    return el("g", el("title", rx_id), leader, triangle, el("text", rx_id, x=label.x, y=label.y))


def _legend(marks: Sequence[Mark], *, links: bool, region: bool) -> Markup:
    kinds = sorted({kind for _, _, kind, _ in marks})
    return el(
        "span",
        "▲ receivers",
        [[" ", el("span", f"● {kind}", class_=f"key {kind}")] for kind in kinds],
        " – lines by mean SNR: thick from 10 dB, thin from 0 dB, dashed below" if links else None,
        " – dashed: where transmitters may stand" if region else None,
    )
