"""Makes recordings: a dataset's spec and a sample's index in, IQ frames with their truth out."""
