"""Consumer lag: how far every group is behind, in offsets, time and units of value."""
