"""Processing a dataset again: in place under a higher replay generation, or beside the old one as a version."""
