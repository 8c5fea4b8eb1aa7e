"""What PostgreSQL holds of a dataset, as far as it can be proved: its outcomes and its rows of features."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from iqstream.catalogue.postgres import Connection, Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOutcome:
    """A line of the ledger."""

    sample_idx: int
    outcome: str
    reason: str | None
    figures: Mapping[str, Any]
    generation: int
    lineage: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow:
    """A row of `heimdall.measurement_features`, its JSON decoded."""

    recording_session_id: UUID
    sample_idx: int
    columns: Mapping[str, Any]
    """The others that follow from the sample, by name."""
    pairs: Sequence[Mapping[str, Any]] | None
    """Of `heimdall.pair_measurements`; None where there is no row."""


COLUMNS = (
    "receiver_features", "tx_latitude", "tx_longitude", "tx_altitude_m", "tx_known", "extraction_metadata",
    "overall_confidence", "mean_snr_db", "num_receivers_detected", "gdop",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLine:
    """A sample's line in the ledger beside its row, as far as each tells of the other."""

    sample_idx: int
    outcome: str | None
    """None: there is a row without a line."""
    rx_ids: tuple[str, ...]
    """Of the line's lineage."""
    iq_saved: bool
    row_id: UUID | None
    """None: there is no row."""
    spec_sha256: str | None
    extractor: str | None
    same_lineage: bool
    """Of line and row."""
    has_pairs: bool
    """There is a row of time differences."""


_LINES = """
SELECT coalesce(o.sample_idx, m.sample_idx) AS sample_idx, o.outcome,
       ARRAY(SELECT jsonb_object_keys(o.lineage)) AS rx_ids, s.saved_at IS NOT NULL AS iq_saved,
       m.recording_session_id AS row_id, m.extraction_metadata->>'spec_sha256' AS spec_sha256,
       m.extraction_metadata->>'extractor_version' AS extractor,
       (m.extraction_metadata->'lineage' IS NOT DISTINCT FROM o.lineage) AS same_lineage,
       p.pairs IS NOT NULL AS has_pairs
FROM (SELECT * FROM heimdall.sample_outcomes WHERE dataset_id = $1 AND dataset_version = $2) o
FULL JOIN (SELECT * FROM heimdall.measurement_features WHERE dataset_id = $1 AND dataset_version = $2) m
    USING (sample_idx)
LEFT JOIN heimdall.iq_saves s ON (s.dataset_id, s.dataset_version, s.sample_idx) = ($1, $2, o.sample_idx)
LEFT JOIN heimdall.pair_measurements p ON (p.dataset_id, p.dataset_version, p.sample_idx) = ($1, $2, m.sample_idx)
ORDER BY 1
"""
LINES_AT_A_TIME = 1000


async def stored_lines(connection: Connection, dataset_id: str, version: int) -> AsyncIterator[StoredLine]:
    """Every sample of a version of which there is a line or a row, by index; within a transaction of the caller's."""
    async for row in connection.cursor(_LINES, UUID(dataset_id), version, prefetch=LINES_AT_A_TIME):
        yield StoredLine(**dict(row) | {"rx_ids": tuple(row["rx_ids"])})


async def recomputable_samples(connection: Connection, dataset_id: str, version: int) -> int:
    """How many samples of a version are decided by their frames: failed ones have none to go by."""
    found = await connection.fetchval(
        "SELECT count(*) FROM heimdall.sample_outcomes "
        "WHERE dataset_id = $1 AND dataset_version = $2 AND outcome <> 'failed'",
        UUID(dataset_id),
        version,
    )
    return int(found)


async def stored_sample(
    pool: Pool | Connection, dataset_id: str, version: int, sample_idx: int
) -> tuple[StoredOutcome, StoredRow | None] | None:
    """A sample's line in the ledger and its row, of one moment; None if there is no line."""
    columns = ", ".join(f"m.{name}" for name in COLUMNS)
    row = await pool.fetchrow(
        "SELECT o.outcome, o.reason, o.figures, o.generation, o.lineage, m.recording_session_id, p.pairs, "  # noqa: S608
        f"{columns} FROM heimdall.sample_outcomes o "
        "LEFT JOIN heimdall.measurement_features m USING (dataset_id, dataset_version, sample_idx) "
        "LEFT JOIN heimdall.pair_measurements p USING (dataset_id, dataset_version, sample_idx) "
        "WHERE o.dataset_id = $1 AND o.dataset_version = $2 AND o.sample_idx = $3",
        UUID(dataset_id),
        version,
        sample_idx,
    )
    if row is None:
        return None
    outcome = StoredOutcome(
        sample_idx=sample_idx,
        outcome=row["outcome"],
        reason=row["reason"],
        figures=json.loads(row["figures"]),
        generation=row["generation"],
        lineage=json.loads(row["lineage"]),
    )
    if row["recording_session_id"] is None:
        return outcome, None
    stored = {name: row[name] for name in COLUMNS}
    stored["receiver_features"] = [json.loads(text) for text in stored["receiver_features"]]
    stored["extraction_metadata"] = json.loads(stored["extraction_metadata"])
    return outcome, StoredRow(
        recording_session_id=row["recording_session_id"],
        sample_idx=sample_idx,
        columns=stored,
        pairs=None if row["pairs"] is None else [json.loads(text) for text in row["pairs"]],
    )


async def all_stored(connection: Connection, dataset_id: str) -> list[Mapping[str, object]]:
    """Every column, by name, of a dataset's rows of features, of its outcomes, then of its pairs; JSON as text."""
    tables = [
        await connection.fetch(
            f"SELECT * FROM heimdall.{table} WHERE dataset_id = $1 ORDER BY sample_idx",  # noqa: S608  # ours
            UUID(dataset_id),
        )
        for table in ("measurement_features", "sample_outcomes", "pair_measurements")
    ]
    return [dict(row) for rows in tables for row in rows]
