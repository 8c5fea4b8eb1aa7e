"""Where a transmitter stands, from what receivers measured: analytic locators of one interface. Pure."""

from iqstream.locate.estimate import Estimate, Locator, Observation, Pairs

__all__ = ["Estimate", "Locator", "Observation", "Pairs"]
