"""What the published features and the physics behind them are worth, against truth and theory: `docs/fidelity.md`."""
