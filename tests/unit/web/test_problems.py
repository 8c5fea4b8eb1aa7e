"""What an error is to a client follows from its type, whatever its words are."""

import pytest
from aiokafka.errors import KafkaConnectionError

from iqstream.runtime.errors import Conflict, Failed, NotFound, Unreachable, UserError, WrongSettings
from iqstream.web.problems import Refusal, problem_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("gone"), 404),
        (Conflict("there is no room"), 409),
        (Failed("there is no way"), 409),
        (UserError("there is no stage 'x'"), 422),
        (Unreachable("there is no server"), 503),
        (WrongSettings("rejected the login"), 503),
        (KafkaConnectionError(), 503),
        (TimeoutError(), 503),
        (Refusal(421, "not this host"), 421),
        (ValueError("a secret"), 500),
    ],
)
def test_the_status_follows_from_the_type(error, status):
    assert problem_of(error).status == status


def test_the_words_of_what_was_not_foreseen_are_not_told():
    assert "secret" not in problem_of(ValueError("a secret")).detail
