"""What the catalogue says of a database that is not as the code needs it."""

import asyncpg
import pytest

from iqstream.catalogue.postgres import NoConnection, session_needed, tables_needed
from iqstream.runtime.errors import Failed, Unreachable, WrongSettings


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (asyncpg.UndefinedTableError("relation does not exist"), "has no tables of iqstream"),
        (asyncpg.UndefinedColumnError("column does not exist"), "has the tables of an earlier version of iqstream"),
    ],
)
def test_missing_tables_and_those_of_an_earlier_version_are_told_with_the_command_that_makes_them(error, said):
    expected = pytest.raises(Unreachable, match=rf"^PostgreSQL at h:5432 {said}: run `iqstream init`\.$")
    with expected, tables_needed("PostgreSQL at h:5432"):
        raise error


def test_a_role_without_the_right_is_told_what_it_may_not_and_who_may():
    denied = asyncpg.InsufficientPrivilegeError("permission denied for table stream_offsets")
    expected = pytest.raises(Failed, match=r"^PostgreSQL at h:5432 .*permission denied for table stream_offsets.*owner")
    with expected, tables_needed("PostgreSQL at h:5432"):
        raise denied


@pytest.mark.parametrize(
    "error", [asyncpg.ConnectionDoesNotExistError("x"), asyncpg.AdminShutdownError("x"), ConnectionResetError()]
)
def test_a_connection_that_is_lost_in_the_middle_is_an_outage_that_names_the_server(error):
    with (
        pytest.raises(Unreachable, match=r"^PostgreSQL at h:5432 went away in the middle"),
        session_needed("PostgreSQL at h:5432"),
    ):
        raise error


@pytest.mark.parametrize("error", [WrongSettings("rejected the login"), Unreachable("does not answer")])
def test_a_connection_that_a_pool_could_not_make_is_told_as_the_first_one_is(error):
    with pytest.raises(type(error), match=str(error)), session_needed("PostgreSQL at h:5432"):
        raise NoConnection(error)


@pytest.mark.parametrize(
    "error",
    [asyncpg.exceptions.DataError("no column takes it"), asyncpg.UniqueViolationError("x"), FileNotFoundError()],
)
def test_what_is_no_outage_is_not_told_as_one(error):
    with pytest.raises(type(error)), session_needed("PostgreSQL at h:5432"):
        raise error
