"""The path to a receiver: the power budget part by part, and the ground below it."""

from __future__ import annotations

from iqstream.client.results import PathTruth, SampleTruth
from iqstream.web.charts import path_profile
from iqstream.web.markup import Markup, el
from iqstream.web.page import table


def path_section(truth: SampleTruth, rx_id: str) -> Markup | None:
    """Returns what the generator drew for the path to a receiver; None where it has none."""
    one = next((path for path in truth.paths if path.rx_id == rx_id), None)
    if one is None:
        return None
    return el(
        "section",
        el("h2", f"Path to {rx_id}"),
        _profile(one),
        table(
            ["Part", "dB or dBm"],
            [[name, f"{value + 0.0:.2f}"] for name, value in _budget(one)],
            caption="Power budget, before fading",
            empty="",
        ),
    )


def _profile(one: PathTruth) -> Markup:
    if not one.distances_km:
        return el("p", "The dataset has no terrain.", class_="empty")
    clearance_m = one.link["clearance_m"]
    ray = (
        f"the ray is blocked by {-clearance_m:.0f} m"
        if clearance_m < 0
        else f"the ray passes {clearance_m:.0f} m above"
    )
    told = (
        f"{one.link['distance_km']:.1f} km from the transmitter (left), "
        f"ground up to {one.link['terrain_max_m']:.0f} m: {ray}; drawn with the earth's bulge"
    )
    return path_profile(one.distances_km, one.ground_m, one.ray_m, told)


def _budget(one: PathTruth) -> list[tuple[str, float]]:
    link = one.link
    return [
        ("EIRP", one.eirp_dbm),
        ("Free space", -link["free_space_loss_db"]),
        ("Diffraction over the ground", -link["diffraction_loss_db"]),
        ("Clutter at both ends", -link["clutter_loss_db"]),
        ("Shadowing", -link["shadowing_db"]),
        ("Antenna of the receiver", one.rx_antenna_gain_dbi),
        ("Signal", link["mean_signal_dbm"]),
        ("Noise in the recorded bandwidth", link["noise_dbm"]),
        ("SNR", link["mean_snr_db"]),
    ]
