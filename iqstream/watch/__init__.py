"""How far a dataset is, and what keeps it from getting on."""
