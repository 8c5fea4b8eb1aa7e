"""The pages: what the HTTP API answers, for people."""
