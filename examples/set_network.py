"""A permutation-invariant network that locates a transmitter from what the receivers of a network measured.

It begins where an analytic locator puts the transmitter, or at the network's centre, and learns how far from there the
truth is: a mixture of Gaussians, so that it says how sure it is. PyTorch 1.13 and later.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from locate_transmitters import mean_of, observation_of
from torch import Tensor, nn

from iqstream.dataset.torch import tensor
from iqstream.locate import Estimate, Observation
from iqstream.locate.differences import ECHO_US, TAIL
from iqstream.locate.estimate import LIGHT_KM_PER_US, distances_km, offset_km
from schemas import FEATURE_NAMES, PAIR_QUANTITIES, DatasetSpec

REGION = 0.9
WIDTH, PAIR_WIDTH = 64, 32
ROUNDS = 2
NARROW, WIDE = 3, 2
"""Components of the mixture: as wide as the start's own region, and as wide as the network's."""
WIDE_KM = 30.0
GEOMETRY = ("east", "north", "altitude", "detected")
LEVELS = ("level", "snr")
OTHERS = tuple(name for name in FEATURE_NAMES if name not in {"rssi_dbm", "snr_db", "psd_dbm_per_hz", "signal_present"})
RECEIVER_INPUTS = (*GEOMETRY, *LEVELS, *OTHERS)
PAIR_INPUTS = ("found", "residual", "residual_near", "deviation", "coherence", "peak_to_sidelobe_db", "bandwidth_hz",
               "east", "north")  # fmt: skip


class Samples(NamedTuple):
    """n samples of r receivers, in the plane around each sample's start; float32, km, us."""

    receivers: Tensor
    """RECEIVER_INPUTS, (n, r, k)."""
    present: Tensor
    """(n, r)"""
    places: Tensor
    """Of the receivers, from the start, (n, r, 2)."""
    differences: Tensor
    """Arrival at the first less that at the second receiver, less what the start explains, (n, r, r)."""
    scale: Tensor
    """Standard deviation of each difference, echoes included; infinite where none was found, (n, r, r)."""
    pairs: Tensor
    """PAIR_INPUTS, (n, r, r, k)."""
    start: Tensor
    """From the network's centre, (n, 2)."""
    shape: Tensor
    """Root of the start's covariance, (n, 2, 2)."""
    truth: Tensor
    """The transmitter, from the start, (n, 2)."""

    def rows(self, which: slice | Tensor) -> "Samples":
        """Some of the samples."""
        return Samples(*[one[which] for one in self])


def stacked(parts: Sequence[Samples]) -> Samples:
    """Several after each other."""
    return Samples(*[torch.cat(several) for several in zip(*parts, strict=True)])


class Network:
    """The receivers of a dataset by their names, in a fixed order."""

    def __init__(self, spec: DatasetSpec) -> None:
        self.number = {receiver.rx_id: number for number, receiver in enumerate(spec.receivers)}
        self.places = np.array([[receiver.latitude, receiver.longitude] for receiver in spec.receivers])
        self.altitude_m = np.array([receiver.altitude_m for receiver in spec.receivers])
        self.centre = (float(self.places[:, 0].mean()), float(self.places[:, 1].mean()))

    def centre_start(self) -> Estimate:
        """A start that knows nothing: for a network that is shown levels alone."""
        return Estimate(latitude=self.centre[0], longitude=self.centre[1], covariance_km2=WIDE_KM**2 * np.eye(2))

    def observation(self, x: dict[str, npt.NDArray[Any]], rx_ids: Sequence[str]) -> Observation:
        """One sample of a stream as a locator takes it; rows without a receiver are left out."""
        numbers = self.numbers(rx_ids)
        rows = slice(len(numbers))
        return observation_of(
            {**x, "features": x["features"][rows], "detected": x["detected"][rows]}, numbers, len(self.number)
        )

    def numbers(self, rx_ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """Which receiver of the network each row of x is."""
        return np.array([self.number[rx_id] for rx_id in rx_ids if rx_id], np.int64)

    def samples(
        self, x: dict[str, npt.NDArray[Any]], y: npt.NDArray[np.float64], rx_ids: Sequence[str], start: Estimate
    ) -> Samples:
        """One sample as the network takes it, n = 1."""
        seen = self.observation(x, rx_ids)
        count, here = len(self.number), (start.latitude, start.longitude)
        places = offset_km(*here, *self.places.T)
        distance = distances_km(*np.array(here)[:, None], self.places)[0]
        places *= (distance / np.maximum(np.hypot(*places.T), 1e-9))[:, None]
        numbers = self.numbers(rx_ids)
        present = np.zeros(count, bool)
        present[numbers] = True
        inputs = np.zeros((count, len(RECEIVER_INPUTS)))
        inputs[:, :4] = np.column_stack([places / 100, self.altitude_m / 1000, seen.detected])
        inputs[:, 4] = np.where(seen.detected, (seen.level_dbm + 100) / 20, 0)
        inputs[:, 5] = np.where(seen.detected, seen.snr_db / 20, 0)
        for column, name in enumerate(OTHERS, start=6):
            inputs[numbers, column] = squashed(mean_of(x["features"][: len(numbers)], name))
        pairs, scale = np.zeros((count, count, len(PAIR_INPUTS))), np.full((count, count), np.inf)
        residual = np.zeros((count, count))
        unit = places / np.maximum(distance, 1e-9)[:, None]
        pairs[:, :, 7:] = unit[:, None] - unit[None]
        one, other = seen.pairs.one, seen.pairs.other
        rest = seen.pairs.difference_us - (distance[one] - distance[other]) / LIGHT_KM_PER_US
        quantity = dict(
            zip(PAIR_QUANTITIES, x["pairs"][x["pairs"][:, PAIR_QUANTITIES.index("found")] == 1].T, strict=True)
        )
        for a, b, sign in ((one, other, 1.0), (other, one, -1.0)):
            residual[a, b], scale[a, b] = sign * rest, np.hypot(seen.pairs.deviation_us, np.sqrt(2) * ECHO_US)
            pairs[a, b, 0] = 1
            pairs[a, b, 1], pairs[a, b, 2] = squashed(sign * rest), np.tanh(sign * rest / 3)
            pairs[a, b, 3] = np.log(seen.pairs.deviation_us + 0.01)
            for column, name in enumerate(PAIR_INPUTS[4:7], start=4):
                pairs[a, b, column] = squashed(quantity[name])
        truth = offset_km(*here, y[0], y[1])
        centred = offset_km(*self.centre, np.array(start.latitude), np.array(start.longitude))
        arrays = (np.nan_to_num(inputs), present, places, residual, scale, np.nan_to_num(pairs), centred,
                  np.linalg.cholesky(start.covariance_km2), truth)  # fmt: skip
        return Samples(*[tensor(np.asarray(array, np.float32)[None]) for array in arrays])


def squashed(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Large values on a scale of logarithms, small ones as they are."""
    found: npt.NDArray[Any] = np.sign(values) * np.log1p(np.abs(values))
    return found


def layers(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between."""
    steps: list[nn.Module] = []
    for into, out in pairwise(widths):
        steps += [nn.Linear(into, out), nn.ReLU()]
    return nn.Sequential(*steps[:-1])


def pooled(state: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and largest over the receivers that are there, (n, k) each."""
    return state.sum(1) / there.sum(1).clamp(min=1), (state - 1e3 * (1 - there)).amax(1)


class Between(nn.Module):
    """What one receiver tells another, of both and of what was measured between them."""

    def __init__(self, out: int) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(WIDTH, PAIR_WIDTH), nn.Linear(WIDTH, PAIR_WIDTH)
        self.pair, self.last = nn.Linear(len(PAIR_INPUTS), PAIR_WIDTH), nn.Linear(PAIR_WIDTH, out)

    def forward(self, state: Tensor, pairs: Tensor) -> Tensor:
        """(n, r, r, out) of (n, r, WIDTH) and (n, r, r, k)."""
        hidden = self.one(state)[:, :, None] + self.other(state)[:, None] + self.pair(pairs)
        told: Tensor = self.last(torch.relu(hidden))
        return told


class SetNetwork(nn.Module):
    """Receivers tell each other what they heard, pair by pair; what they agree on becomes a mixture of Gaussians.

    The order of the receivers does not matter. Before it learns anything its answer is that of the start: one step of
    least squares with weights of Student's t. It learns what each difference counts, how late each receiver's echoes
    make it, and how far off the whole may be.
    """

    def __init__(self) -> None:
        super().__init__()
        self.enter = layers(len(RECEIVER_INPUTS) + 2, WIDTH, WIDTH)
        self.tell = nn.ModuleList([Between(PAIR_WIDTH) for _ in range(ROUNDS)])
        self.hear = nn.ModuleList([layers(3 * WIDTH + PAIR_WIDTH, WIDTH, WIDTH) for _ in range(ROUNDS)])
        self.calm = nn.ModuleList([nn.LayerNorm(WIDTH) for _ in range(ROUNDS)])
        self.weigh, self.delay = Between(1), layers(WIDTH, WIDTH, 1)
        self.read = layers(2 * WIDTH + 2, 2 * WIDTH, 6 * (NARROW + WIDE))
        for last in (self.weigh.last, self.delay[-1], self.read[-1]):  # the start stands until something is learnt
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, samples: Samples) -> torch.distributions.Distribution:
        """Where the transmitter stands, from the start, km."""
        there = samples.present[:, :, None]
        n, r, _ = there.shape
        centred = (samples.start / 100)[:, None]
        state = self.enter(torch.cat([samples.receivers, centred.expand(n, r, 2)], 2)) * there
        found = torch.isfinite(samples.scale)[..., None]
        measured = bool(found.any())
        for tell, hear, calm in zip(self.tell, self.hear, self.calm, strict=True):
            told = torch.zeros(n, r, PAIR_WIDTH)
            if measured:
                told = (torch.relu(tell(state, samples.pairs)) * found).sum(2) / r
            heard = [state, *(one[:, None].expand(n, r, WIDTH) for one in pooled(state, there)), told]
            state = calm(state + hear(torch.cat(heard, 2))) * there
        step = torch.zeros(n, 2)
        if measured:
            step = self._solved(self.weigh(state, samples.pairs)[..., 0], self.delay(state)[..., 0], samples)
        whole = torch.cat([*pooled(state, there), samples.start / 100], 1)
        return self._mixture(self.read(whole).view(n, NARROW + WIDE, 6), step, samples)

    def _solved(self, weigh: Tensor, delay: Tensor, samples: Samples) -> Tensor:
        """The step of weighted least squares over the differences, km, (n, 2)."""
        misfit = samples.differences / samples.scale
        weight = (weigh + weigh.transpose(1, 2)).clamp(-6, 6).exp() * (TAIL + 1) / (TAIL + misfit**2) / samples.scale**2
        rest = samples.differences - ECHO_US * (delay[:, :, None] - delay[:, None])
        slope = -samples.pairs[..., 7:] / LIGHT_KM_PER_US  # us per km
        normal = torch.einsum("nab,nabi,nabj->nij", weight, slope, slope) + 0.1 * torch.eye(2)
        right = torch.einsum("nab,nabi,nab->ni", weight, slope, rest)
        (a, b), (_, d) = normal.permute(1, 2, 0)
        return torch.stack([d * right[:, 0] - b * right[:, 1], a * right[:, 1] - b * right[:, 0]], 1) / (
            a * d - b * b
        ).unsqueeze(1)

    def _mixture(self, said: Tensor, step: Tensor, samples: Samples) -> torch.distributions.Distribution:
        wide = (WIDE_KM * torch.eye(2)).expand(len(said), WIDE, 2, 2)
        shape = torch.cat([samples.shape[:, None].expand(-1, NARROW, 2, 2), wide], 1)
        spread = torch.linspace(-0.5, 1.5, NARROW).tolist() + torch.linspace(-0.5, 0.5, WIDE).tolist()
        first, last = (said[..., at] + torch.tensor(spread) for at in (2, 3))
        root = torch.stack(
            [first.clamp(-5, 4).exp(), torch.zeros_like(first), said[..., 4], last.clamp(-5, 4).exp()], -1
        )
        centre = step[:, None] + (shape @ said[..., :2, None])[..., 0]
        weight = said[..., 5] - 3.0 * torch.tensor([0.0] * NARROW + [1.0] * WIDE)
        return torch.distributions.MixtureSameFamily(
            torch.distributions.Categorical(logits=weight),
            torch.distributions.MultivariateNormal(
                centre, scale_tril=shape @ root.view(*root.shape[:-1], 2, 2), validate_args=False
            ),
            validate_args=False,
        )


def learn(network: SetNetwork, optimiser: torch.optim.Optimizer, batch: Samples) -> float:
    """One step; returns the loss: minus the log of the density at the truth, nats."""
    loss = -network(batch).log_prob(batch.truth).mean()
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    return float(loss)


def region_holds(found: torch.distributions.Distribution, truth: Tensor, draws: int = 500) -> Tensor:
    """Whether each truth lies in the smallest region that holds REGION of the answer, bool (n,)."""
    least = torch.quantile(found.log_prob(found.sample((draws,))), 1 - REGION, dim=0)
    held: Tensor = found.log_prob(truth) >= least
    return held
