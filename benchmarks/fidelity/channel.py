"""The statistics of the generator's channel and waveforms beside theory: one section of docs/fidelity.md."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import special, stats

from producer.emission import Emission, emit, half_bandwidth_hz
from producer.fading import Motion, rayleigh_gains, tap_gains
from producer.multipath import Multipath, draw_multipath
from producer.occupied import measure
from producer.receiver import add_noise
from schemas import Channel

TAPS = 8000
"""Independent fading taps behind each figure."""
RATE_HZ = 200_000.0
EMISSIONS = {
    "NBFM 2.5 kHz": Emission(modulation="nbfm", peak_deviation_hz=2500.0),
    "NBFM 5 kHz": Emission(modulation="nbfm", peak_deviation_hz=5000.0),
    "carrier": Emission(modulation="carrier"),
    "AM": Emission(modulation="am", modulation_depth=0.9),
    "SSB": Emission(modulation="ssb", sideband="upper"),
    "4FSK": Emission(modulation="4fsk", peak_deviation_hz=1944.0),
}
Row = Sequence[str]


def section(images: Path) -> str:
    """The Markdown of the section; its pictures are written to `images`."""
    draw_envelope(images / "channel-envelope.svg")
    draw_autocorrelation(images / "channel-autocorrelation.svg")
    method = (
        f"Each figure is over {TAPS:,} independent taps or more; the error given is one standard error of the "
        "measurement, derived from the number of independent values. Seeds are fixed."
    )
    terms = (
        "Over 2 s; occupied bandwidth: 99 % of the power. Power over the rated power (carrier, for SSB the peak of "
        "the envelope). The voice is not compressed: speech adds a hundredth to the power of AM, so its occupied "
        "bandwidth may be that of the carrier."
    )
    emission_head = ("emission", "occupied bandwidth, Hz", "half bandwidth kept free, Hz", "mean power, dB")
    parts = [
        "## Channel and waveforms",
        method,
        "### Fading",
        table(("quantity", "theory", "measured", "standard error"), fading_rows()),
        "![Envelope of Rayleigh and Rician taps beside their densities](images/fidelity/channel-envelope.svg)",
        "![Autocorrelation beside J0](images/fidelity/channel-autocorrelation.svg)",
        "### Echoes, Rician share, noise",
        table(("quantity", "theory", "measured", "standard error"), path_rows()),
        "### Emissions",
        terms,
        table(emission_head, emission_rows()),
    ]
    return "\n\n".join(parts) + "\n"


def table(head: Row, rows: Iterable[Row]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def rayleigh(taps: int, turns_per_node: float, nodes: int) -> NDArray[np.complex128]:
    """Independent Rayleigh taps of power 1, shape (taps, nodes)."""
    arrivals = np.random.default_rng(5).random(taps)
    scatter = np.array([77, 1], np.uint32)
    gains, _ = rayleigh_gains(np.ones(taps), turns_per_node, nodes, arrivals=arrivals, scatter=scatter)
    return gains.astype(np.complex128)


def rician(k_db: float, draws: int) -> NDArray[np.complex128]:
    """Independent Rician taps of power 1."""
    path = Multipath(delays_us=(0.0,), powers=(1.0,), rician_k_db=k_db, arrivals=(0.3,), direct_turns=0.1)
    still = Motion(doppler_max_hz=0.0, direct_doppler_hz=0.0)
    gains = [tap_gains(path, still, 1.0, 1.0, 1, scatter=np.array([i, 9], np.uint32))[0][0, 0] for i in range(draws)]
    return np.array(gains, np.complex128)


def rice(k_db: float) -> stats.rv_continuous:
    """The law of such a tap's envelope."""
    k = 10 ** (k_db / 10)
    sigma = math.sqrt(0.5 / (k + 1))
    return stats.rice(math.sqrt(k / (k + 1)) / sigma, scale=sigma)


def fading_rows() -> list[Row]:
    """Envelope, autocorrelation, level crossings."""
    envelope = np.abs(rayleigh(TAPS, 0.01, 1)[:, 0])
    law = stats.rayleigh(scale=math.sqrt(0.5))
    rows: list[Row] = [
        ("Rayleigh envelope, mean / rms", "0.8862", *measured(envelope)),
        ("Rayleigh envelope, largest distance of the distributions (KS)", *distance(envelope, law)),
    ]
    for k_db in (3.0, 10.0):
        tap = np.abs(rician(k_db, TAPS))
        rows.append((f"Rician envelope, K = {k_db:g} dB, largest distance (KS)", *distance(tap, rice(k_db))))
    for phase in (1.0, 2.0, 3.8317):
        gains = rayleigh(TAPS, phase / (2 * math.pi), 2)
        products = (gains[:, 0] * gains[:, 1].conj()).real
        rows.append((f"autocorrelation at 2 pi f_d t = {phase:g}", f"{special.j0(phase):.4f}", *measured(products)))
    periods, nodes = 20, 2001
    envelopes = np.abs(rayleigh(1000, periods / (nodes - 1), nodes))
    for rho in (0.3, 1.0, 1.5):
        above = envelopes > rho
        rates = (above[:, :-1] & ~above[:, 1:]).sum(axis=1) / periods
        expected = math.sqrt(2 * math.pi) * rho * math.exp(-rho * rho)
        rows.append((f"crossings of {rho:g} rms, per Doppler period", f"{expected:.4f}", *measured(rates)))
    return rows


def path_rows() -> list[Row]:
    """Delays, powers and noise of drawn paths."""
    stream = np.random.default_rng(2)
    paths = [draw_multipath(Channel(), stream) for _ in range(TAPS)]
    echoes = np.array([delay for path in paths for delay in path.delays_us[1:]])
    decays = np.array([-p.delays_us[-1] / math.log(p.powers[-1] / p.powers[0]) for p in paths])
    rician_share = np.array([path.rician_k_db is not None for path in paths], float)
    ks = np.array([path.rician_k_db for path in paths if path.rician_k_db is not None])
    noise = np.array([second_of_noise_db(receiver) for receiver in range(50)])
    return [
        ("delay of an echo, mean, us", "2.750", *measured(echoes, 3)),
        ("delays uniform over 0.5-5 us, largest distance (KS)", *distance(echoes, stats.uniform(0.5, 4.5))),
        ("decay constant of the exponential profile, mean, us", "1.500", *measured(decays, 3)),
        ("share of Rician first taps", "0.300", *measured(rician_share, 3)),
        ("their K, mean, dB", "6.50", *measured(ks, 2)),
        ("noise power of 1 s over its set value, mean of 50, dB", "0.0000", *measured(noise)),
        ("largest of the 50, dB", "<= 0.05", f"{np.abs(noise).max():.4f}", "0.0097 each"),
    ]


def second_of_noise_db(receiver: int) -> float:
    """Power of a second of noise over what it should be."""
    y = np.zeros(200_000, np.complex64)
    return 10 * math.log10(add_noise(y, (y.size,), np.array([receiver, 22], np.uint32)).noise_powers[0] / 2)


def emission_rows() -> list[Row]:
    """What each modulation occupies and carries."""
    rows: list[Row] = []
    for name, emission in EMISSIONS.items():
        half_hz = half_bandwidth_hz(emission)
        waveform = emit(emission, 400_000, sample_rate_hz=RATE_HZ, seed=1, sample_idx=1)
        sent = measure(waveform, RATE_HZ, half_hz)
        rows.append(
            (name, f"{sent.occupied_bandwidth_hz:.0f}", f"{half_hz:.0f}", f"{round(sent.mean_power_db, 2) + 0.0:.2f}")
        )
    return rows


def measured(values: NDArray[np.float64], digits: int = 4) -> tuple[str, str]:
    """Mean and its standard error."""
    return f"{values.mean():.{digits}f}", f"{values.std() / math.sqrt(values.size):.{digits}f}"


def distance(values: NDArray[np.float64], law: stats.rv_continuous) -> tuple[str, str, str]:
    """What a sample of the law itself exceeds once in a thousand, the distance found, its p-value."""
    found = stats.kstest(values, law.cdf)
    limit = stats.kstwo.isf(1e-3, values.size)
    return f"< {limit:.4f} (p = 0.001)", f"{found.statistic:.4f}", f"p = {found.pvalue:.2f}"


def draw_envelope(path: Path) -> None:
    """Histograms of envelopes beside their laws."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    x = np.linspace(0, 2.6, 300)
    laws = [
        ("Rayleigh", np.abs(rayleigh(TAPS, 0.01, 1)[:, 0]), stats.rayleigh(scale=math.sqrt(0.5))),
        ("Rice, K = 3 dB", np.abs(rician(3.0, TAPS)), rice(3.0)),
        ("Rice, K = 10 dB", np.abs(rician(10.0, TAPS)), rice(10.0)),
    ]
    for number, (name, envelope, law) in enumerate(laws):
        axes.hist(envelope, bins=60, density=True, alpha=0.35, color=f"C{number}")
        axes.plot(x, law.pdf(x), color=f"C{number}", label=name)
    axes.set(xlabel="envelope / rms", ylabel="density", title="Envelope of a tap: generator (bars), theory (lines)")
    axes.legend()
    write(figure, path)


def draw_autocorrelation(path: Path) -> None:
    """The mean over taps at lags up to three Doppler periods."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    lags = np.linspace(0, 3, 121)
    gains = rayleigh(TAPS, lags[1], lags.size)
    products = (gains[:, :1] * gains.conj()).real
    axes.plot(lags, special.j0(2 * math.pi * lags), color="C1", label="J0(2 pi f_d t)")
    axes.errorbar(
        lags,
        products.mean(axis=0),
        2 * products.std(axis=0) / math.sqrt(TAPS),
        fmt=".",
        markersize=3,
        linewidth=0.7,
        label="generator, 2 standard errors",
    )
    axes.set(xlabel="lag in Doppler periods", ylabel="autocorrelation", title="Autocorrelation of a moving tap")
    axes.legend()
    write(figure, path)


def write(figure: Figure, path: Path) -> None:
    """Without date and random names, so that the same figures give the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, metadata={"Date": None})
