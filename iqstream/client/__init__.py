"""The Python front door: everything that people do with iqstream, as calls with frozen results."""
