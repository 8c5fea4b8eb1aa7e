"""What a dataset is called and described as: what may be, what can be shown everywhere, and how it is changed."""

from __future__ import annotations

import unicodedata
from uuid import UUID

import msgspec

from iqstream.catalogue.datasets import Dataset, dataset_uuid
from iqstream.catalogue.postgres import Connection, Pool
from iqstream.runtime.errors import Conflict, UserError
from schemas.dataset import Name

MAX_DESCRIPTION = 2000
"""Characters."""

_CONTROL = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of Unicode: control characters, halves of a pair, line and paragraph separators."""
_DIRECTIONS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""Of what turns the direction of the text after it."""
_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that are blank: fillers of Hangul, and Braille without dots."""


def check_text(what: str, text: str) -> None:
    """Whether text of a new dataset can be shown everywhere as it is.

    Raises:
        UserError: it holds a control character; says which, and where.
    """
    for at, character in enumerate(text, start=1):
        if unicodedata.category(character) in _CONTROL or unicodedata.bidirectional(character) in _DIRECTIONS:
            raise UserError(
                f"{what}: character {at} of {text!r} is {character!r}, which controls how text is shown: leave it out"
            )


def check_description(description: str) -> None:
    """Whether a dataset may be described so; empty: not at all.

    Raises:
        UserError: it holds a control character, or is too long.
    """
    check_text("description", description)
    if len(description) > MAX_DESCRIPTION:
        raise UserError(f"description: {len(description)} characters, at most {MAX_DESCRIPTION}")


def check_name(name: str) -> None:
    """Whether a dataset may be named so.

    Raises:
        UserError: it is empty or too long, holds a control character, begins or ends with what nobody sees, or could
            be taken for an id.
    """
    check_text("name", name)
    if name and (_is_unseen(name[0]) or _is_unseen(name[-1])):
        raise UserError(f"name: {name!r} begins or ends with a blank or a character of no width: leave it out")
    try:
        msgspec.convert(name, Name)
    except msgspec.ValidationError as error:
        raise UserError(f"name: {error}") from None
    try:
        UUID(name)
    except ValueError:
        return
    raise UserError(f"name: {name!r} looks like a dataset's id, and an id always means the dataset that has it")


def _is_unseen(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) == "Cf" or character in _BLANK_LETTERS


async def take_name(connection: Connection, dataset_id: str, name: str, *, reuse_name: bool) -> None:
    """Makes sure that a dataset may have a name until the transaction ends.

    Raises:
        UserError: another one has it, and `reuse_name` does not allow that.
    """
    # names are not unique in the table (--reuse-name), so two who want one name take turns
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", name)
    other = await connection.fetchval(
        "SELECT id::text FROM heimdall.datasets WHERE name = $1 AND id <> $2 AND status <> 'deleted' LIMIT 1",
        name,
        dataset_uuid(dataset_id),
    )
    if other is not None and not reuse_name:
        raise Conflict(
            f"the name {name!r} is in use by dataset {other}: "
            "choose another, or add --reuse-name for a second dataset of that name"
        )


async def rename_dataset(pool: Pool, dataset: Dataset, name: str, *, reuse_name: bool) -> None:
    """Gives a dataset another name, in all versions.

    Raises:
        UserError: it is deleted, or may not be named so.
    """
    check_name(name)
    _require_there(dataset)
    async with pool.acquire() as connection, connection.transaction():
        await take_name(connection, dataset.id, name, reuse_name=reuse_name)
        await connection.execute(
            "UPDATE heimdall.datasets SET name = $2, spec = jsonb_set(spec, '{name}', to_jsonb($2::text)) "
            "WHERE id = $1",
            dataset_uuid(dataset.id),
            name,
        )


async def describe_dataset(pool: Pool, dataset: Dataset, description: str) -> None:
    """Notes what a dataset is for, in all versions; empty: nothing.

    Raises:
        UserError: it is deleted, or the text cannot be shown.
    """
    check_description(description)
    _require_there(dataset)
    await pool.execute(
        "UPDATE heimdall.datasets SET description = $2 WHERE id = $1", dataset_uuid(dataset.id), description
    )


def _require_there(dataset: Dataset) -> None:
    if dataset.status == "deleted":
        raise Conflict(f"dataset {dataset.name!r} is deleted")
