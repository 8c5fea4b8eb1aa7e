"""Real torch over the network of the examples, in a process that can import it."""

import json
import sys

sys.path.append(sys.argv[1])  # after our own: NumPy and everything else stay ours

import torch
from set_network import PAIR_INPUTS, RECEIVER_INPUTS, Samples, SetNetwork, learn

RECEIVERS = 5


def samples(count):
    torch.manual_seed(1)
    pairs = torch.randn(count, RECEIVERS, RECEIVERS, len(PAIR_INPUTS))
    differences = torch.randn(count, RECEIVERS, RECEIVERS)
    scale = torch.where(torch.rand(count, RECEIVERS, RECEIVERS) < 0.8, 1.0, float("inf"))
    return Samples(
        receivers=torch.randn(count, RECEIVERS, len(RECEIVER_INPUTS)),
        present=(torch.rand(count, RECEIVERS) < 0.9).float(),
        places=torch.randn(count, RECEIVERS, 2),
        differences=differences - differences.transpose(1, 2),
        scale=torch.maximum(scale, scale.transpose(1, 2)),
        pairs=pairs,
        start=torch.randn(count, 2),
        shape=torch.eye(2).repeat(count, 1, 1),
        truth=torch.randn(count, 2),
    )


def reordered(given, order):
    return given._replace(
        receivers=given.receivers[:, order],
        present=given.present[:, order],
        places=given.places[:, order],
        differences=given.differences[:, order][:, :, order],
        scale=given.scale[:, order][:, :, order],
        pairs=given.pairs[:, order][:, :, order],
    )


def apart(one, other):
    return float((one - other).abs().max())


def main():
    given, network = samples(32), SetNetwork()
    quiet = given._replace(differences=torch.zeros_like(given.differences))
    narrow = network(quiet).component_distribution.mean[:, 0]
    begins_off = apart(narrow, torch.zeros_like(narrow))
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    losses = [learn(network, optimiser, given) for _ in range(40)]
    with torch.no_grad():
        found, again = network(given), network(reordered(given, torch.randperm(RECEIVERS)))
        louder = network(given._replace(receivers=given.receivers + 1))
        densities = found.log_prob(given.truth), again.log_prob(given.truth)
    told = {
        "order": max(apart(found.mean, again.mean), apart(*densities)),
        "other_levels": apart(found.mean, louder.mean),
        "learnt_step": apart(found.mean, torch.zeros(2)),
        "begins_off": begins_off,
        "loss_falls": losses[0] - losses[-1],
    }
    print(json.dumps(told))


main()
