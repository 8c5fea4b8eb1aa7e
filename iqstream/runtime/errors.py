"""Errors that a person meets, classified once by what they have to do about it."""


class IqstreamError(Exception):
    """Ends a command with its message alone (no traceback) and its exit code."""

    exit_code = 1


class Failed(IqstreamError):
    """The work was tried and did not succeed; the message says what stands and what to do."""

    exit_code = 1


class NoPosition(Failed):
    """A stage has no position on one partition of its input; its other partitions are not concerned."""

    def __init__(self, stage_or_group: str, topic: str, partition: int) -> None:
        super().__init__(
            f"{stage_or_group} has no position on {topic}-{partition}: `iqstream init` sets it, or names the command"
        )


class UserError(IqstreamError):
    """What was asked is wrong; the message names the value, where it stands and what is allowed."""

    exit_code = 2


class NotFound(UserError):
    """There is nothing of the name, number or id that was given."""


class Conflict(UserError):
    """It is there, and in a state, or under a name, with which this cannot be done; another time it may."""


class WrongSettings(UserError):
    """A server is not as the settings say, and no waiting helps."""


class Unreachable(IqstreamError):
    """Something that the command needs does not answer; the message names it and how to start it."""

    exit_code = 3
