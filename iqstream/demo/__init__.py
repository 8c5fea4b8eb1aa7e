"""The whole job in one command, and what came of it."""
