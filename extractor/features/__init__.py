"""One file for each idea behind the 18 features of a chunk."""
