"""Errors that a person meets, classified once by what they have to do about it."""


class IqstreamError(Exception):
    """Ends a command with its message alone (no traceback) and its exit code."""

    exit_code = 1


class Failed(IqstreamError):
    """The work was tried and did not succeed; the message says what stands and what to do."""

    exit_code = 1


class UserError(IqstreamError):
    """What was asked is wrong; the message names the value, where it stands and what is allowed."""

    exit_code = 2


class Unreachable(IqstreamError):
    """Something that the command needs does not answer; the message names it and how to start it."""

    exit_code = 3
