"""One file for each idea behind the features of a chunk."""
