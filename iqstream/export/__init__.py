"""A dataset as files: one row per sample and receiver, in batches, with what the columns mean, and a card beside it."""
