"""The dashboard: pages and an HTTP API over the Python front door."""
