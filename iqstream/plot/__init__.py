"""A dataset as a picture, and its features beside the truth."""
