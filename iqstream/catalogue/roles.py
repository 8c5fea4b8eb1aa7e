"""Least privilege in PostgreSQL: what the role of each stage and of the dashboard may do, and nothing else."""

from collections.abc import Sequence

import asyncpg

from iqstream.catalogue.postgres import Connection
from iqstream.runtime.errors import UserError

_SINK = (
    "SELECT ON heimdall.datasets, heimdall.sample_outcomes, heimdall.measurement_features, heimdall.iq_saves",
    "SELECT ON heimdall.pair_measurements, heimdall.stream_offsets, heimdall.dead_letters",
    # counters, the choice of IQ and completion: not what was asked for
    "UPDATE (accepted, rejected, failed, iq_frontier, iq_chosen) ON heimdall.datasets",
    "UPDATE (iq_samples_saved, iq_samples_lost, status, status_changed_at, completed_at) ON heimdall.datasets",
    "INSERT, UPDATE ON heimdall.sample_outcomes",
    "INSERT, UPDATE, DELETE ON heimdall.measurement_features, heimdall.iq_saves",
    "INSERT, UPDATE ON heimdall.pair_measurements",
    # positions move; they are made and deleted by `iqstream init` and by people
    "UPDATE (next_offset, owner_epoch, updated_at) ON heimdall.stream_offsets",
    "INSERT, UPDATE (copied_at) ON heimdall.dead_letters",
)
_STAGE = ("SELECT (id, version, status) ON heimdall.datasets",)
"""Producer and extractor: they only ask which datasets were cancelled or deleted."""
_DASHBOARD = (
    "SELECT ON ALL TABLES IN SCHEMA heimdall",
    # submitting, and a replay that makes another version; counts and results are the sink's to say
    "INSERT ON heimdall.datasets, heimdall.replays, heimdall.dead_letter_retries, heimdall.dead_letter_purges",
    "UPDATE (name, description, spec, samples, requested, grows) ON heimdall.datasets",
    "UPDATE (status, status_changed_at, completed_at) ON heimdall.datasets",
    "UPDATE (finished_at) ON heimdall.replays",
    "UPDATE (purged_at) ON heimdall.dead_letter_purges",
    # deleting a dataset; PostgreSQL asks for a right to update of whoever locks rows before it deletes them
    "DELETE ON heimdall.sample_outcomes, heimdall.measurement_features, heimdall.recorded_windows",
    "DELETE, UPDATE (attempts) ON heimdall.iq_saves",
    "DELETE ON heimdall.dead_letters, heimdall.dead_letter_retries, heimdall.dead_letter_purges",
)
"""It submits, deletes, replays and purges; the features, outcomes and counters of a dataset it only reads."""


async def grant_sink(connection: Connection, role: str) -> None:
    """Gives a role what a sink needs, and takes away what else it had on our tables.

    Raises:
        UserError: there is no such role.
    """
    await _grant(connection, role, _SINK)


async def grant_stage(connection: Connection, role: str) -> None:
    """Gives a role what a producer or an extractor needs, and takes away what else it had on our tables.

    Raises:
        UserError: there is no such role.
    """
    await _grant(connection, role, _STAGE)


async def grant_dashboard(connection: Connection, role: str) -> None:
    """Gives a role what the dashboard needs, and takes away what else it had on our tables.

    Raises:
        UserError: there is no such role.
    """
    await _grant(connection, role, _DASHBOARD)


async def _grant(connection: Connection, role: str, privileges: Sequence[str]) -> None:
    quoted = await connection.fetchval("SELECT quote_ident($1)", role)
    try:
        async with connection.transaction():
            await connection.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA heimdall FROM {quoted}")
            await connection.execute(f"GRANT USAGE ON SCHEMA heimdall TO {quoted}")
            for privilege in privileges:
                await connection.execute(f"GRANT {privilege} TO {quoted}")
    except asyncpg.UndefinedObjectError:
        raise UserError(
            f"PostgreSQL has no role {role}: make it first, as in CREATE ROLE {quoted} LOGIN PASSWORD '...'"
        ) from None
