"""A dataset: submitted, watched, and read back from where it is stored."""
