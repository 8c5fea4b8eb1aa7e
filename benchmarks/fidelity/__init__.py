"""Accuracy of the features, and of the channel and propagation models, against truth and theory: `docs/fidelity.md`."""
