"""Scalars that do not depend on the CPU."""


def reproducible(value: float) -> float:
    """`value` to ten significant digits.

    The last bits of a logarithm, a power or a cosine of the C library depend on the CPU; every scalar that
    went through one is rounded before anything is made of it.
    """
    return float(f"{value:.9e}")
