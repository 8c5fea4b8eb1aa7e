"""Records that could not be processed: what there is, what one holds, and trying its sample again."""
