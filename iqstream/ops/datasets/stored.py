"""What PostgreSQL holds of a dataset, as far as it can be proved: its outcomes and its rows of features."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from sink.postgres import Connection, Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOutcome:
    """A line of the ledger."""

    sample_idx: int
    outcome: str
    reason: str | None
    figures: Mapping[str, Any]
    generation: int
    lineage: Mapping[str, Mapping[str, Any]]
    iq_saved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow:
    """A row of `heimdall.measurement_features`, its JSON decoded."""

    recording_session_id: UUID
    sample_idx: int
    columns: Mapping[str, Any]
    """The others that follow from the sample, by name."""


COLUMNS = (
    "receiver_features", "tx_latitude", "tx_longitude", "tx_altitude_m", "tx_known", "extraction_metadata",
    "overall_confidence", "mean_snr_db", "num_receivers_detected", "gdop",
)  # fmt: skip


async def stored_outcomes(pool: Pool | Connection, dataset_id: str, version: int) -> dict[int, StoredOutcome]:
    """The whole ledger of a version, by sample."""
    rows = await pool.fetch(
        "SELECT o.sample_idx, o.outcome, o.reason, o.figures, o.generation, o.lineage, "
        "s.saved_at IS NOT NULL AS iq_saved "
        "FROM heimdall.sample_outcomes o "
        "LEFT JOIN heimdall.iq_saves s USING (dataset_id, dataset_version, sample_idx) "
        "WHERE o.dataset_id = $1 AND o.dataset_version = $2 ORDER BY o.sample_idx",
        UUID(dataset_id),
        version,
    )
    return {
        row["sample_idx"]: StoredOutcome(
            sample_idx=row["sample_idx"],
            outcome=row["outcome"],
            reason=row["reason"],
            figures=json.loads(row["figures"]),
            generation=row["generation"],
            lineage=json.loads(row["lineage"]),
            iq_saved=row["iq_saved"],
        )
        for row in rows
    }


async def samples_with_iq(pool: Pool | Connection, dataset_id: str) -> frozenset[int]:
    """Samples whose IQ is stored, or about to be, for any version: all of them share the objects."""
    rows = await pool.fetch(
        "SELECT DISTINCT sample_idx FROM heimdall.iq_saves WHERE dataset_id = $1",
        UUID(dataset_id),
    )
    return frozenset(row["sample_idx"] for row in rows)


RowIdentity: TypeAlias = tuple[int, UUID, str, str, Mapping[str, Any]]
"""Of a row: sample, id, hash of the spec and version of the extractor it was made by, lineage."""


async def row_identities(pool: Pool | Connection, dataset_id: str, version: int) -> list[RowIdentity]:
    """Of each row of a version, by sample."""
    rows = await pool.fetch(
        "SELECT sample_idx, recording_session_id, extraction_metadata->>'spec_sha256' AS spec, "
        "extraction_metadata->>'extractor_version' AS extractor, extraction_metadata->'lineage' AS lineage "
        "FROM heimdall.measurement_features WHERE dataset_id = $1 AND dataset_version = $2 ORDER BY sample_idx",
        UUID(dataset_id),
        version,
    )
    return [
        (r["sample_idx"], r["recording_session_id"], r["spec"], r["extractor"], json.loads(r["lineage"])) for r in rows
    ]


async def stored_row(pool: Pool | Connection, dataset_id: str, version: int, sample_idx: int) -> StoredRow | None:
    """The row of a sample; None if there is none."""
    row = await pool.fetchrow(
        f"SELECT recording_session_id, {', '.join(COLUMNS)} FROM heimdall.measurement_features "  # noqa: S608  # ours
        "WHERE dataset_id = $1 AND dataset_version = $2 AND sample_idx = $3",
        UUID(dataset_id),
        version,
        sample_idx,
    )
    if row is None:
        return None
    columns = {name: row[name] for name in COLUMNS}
    columns["receiver_features"] = [json.loads(text) for text in columns["receiver_features"]]
    columns["extraction_metadata"] = json.loads(columns["extraction_metadata"])
    return StoredRow(recording_session_id=row["recording_session_id"], sample_idx=sample_idx, columns=columns)
