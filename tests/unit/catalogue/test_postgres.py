"""What the catalogue says of a database that is not as the code needs it."""

import asyncpg
import pytest

from iqstream.catalogue.postgres import tables_needed
from iqstream.runtime.errors import Unreachable


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
