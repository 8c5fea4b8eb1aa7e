"""Queries that users of the stored rows know, and their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from iqstream.catalogue.postgres import Connection, Pool

EXAMPLES: tuple[str, ...] = (
    "SELECT COUNT(*) FROM heimdall.measurement_features;",
    (
        "SELECT recording_session_id, array_length(receiver_features, 1) AS num_receivers, overall_confidence,\n"
        "       mean_snr_db, num_receivers_detected, gdop\n"
        "FROM heimdall.measurement_features LIMIT 5;"
    ),
    (
        "SELECT receiver_features[1]->>'rx_id' AS rx_id, receiver_features[1]->'snr_db'->>'mean' AS snr_mean,\n"
        "       receiver_features[1]->'rssi_dbm'->>'mean' AS rssi_mean\n"
        "FROM heimdall.measurement_features LIMIT 1;"
    ),
)


async def example_answers(pool: Pool | Connection) -> list[tuple[str, Sequence[Mapping[str, object]]]]:
    """Each query with its rows, whose columns stand in the order of the query."""
    return [(query, [dict(row) for row in await pool.fetch(query)]) for query in EXAMPLES]
