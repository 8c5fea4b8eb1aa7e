"""Errors of bytes that should be a message."""


class SchemaError(ValueError):
    """The bytes are not a message that this version understands."""


class Malformed(SchemaError):
    """Truncated, not msgpack, or a field missing, of the wrong type or out of its range."""


class TooLarge(SchemaError):
    """A length or count exceeds its limit; no memory was allocated for it."""


class UnknownSchema(SchemaError):
    """A schema or version that this reader does not know; the message names both."""
