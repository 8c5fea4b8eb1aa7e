"""What a version of a dataset holds stands in its own line; what it asks for follows from that."""

from alembic import op

revision = "0003"
down_revision = "0002"

_STATEMENTS = (
    """
    CREATE FUNCTION heimdall.sample_count(samples int4multirange) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
        SELECT coalesce(sum(upper(part) - lower(part)), 0)::integer FROM unnest(samples) AS part
    $$
    """,
    "ALTER TABLE heimdall.datasets ADD COLUMN samples int4multirange, ADD COLUMN grows boolean NOT NULL DEFAULT false",
    # a version that a replay made holds the samples of that replay, and what a later one has put there nevertheless
    """
    UPDATE heimdall.datasets d SET samples = r.samples + coalesce(
        (SELECT range_agg(int4range(o.sample_idx, o.sample_idx + 1)) FROM heimdall.sample_outcomes o
         WHERE (o.dataset_id, o.dataset_version) = (d.id, d.version)), '{}')
    FROM heimdall.replays r
    WHERE (r.dataset_id, r.dataset_version, r.generation) = (d.id, d.version, 0) AND r.source_version <> d.version
    """,
    """
    UPDATE heimdall.datasets SET samples = int4multirange(int4range(0, (spec->>'samples')::integer))
    WHERE samples IS NULL
    """,
    # one that was submitted whole was `submitting` first
    """
    UPDATE heimdall.datasets SET grows = true
    WHERE status = 'running' AND version = 1 AND status_changed_at = created_at
    """,
    "UPDATE heimdall.datasets SET requested = heimdall.sample_count(samples)",
    """
    ALTER TABLE heimdall.datasets ALTER COLUMN samples SET NOT NULL,
        ADD CONSTRAINT datasets_requested_are_its_samples CHECK (requested = heimdall.sample_count(samples))
    """,
    "COMMENT ON COLUMN heimdall.datasets.samples IS 'the samples that this version holds once it is complete'",
    "COMMENT ON COLUMN heimdall.datasets.grows IS 'it holds as many of its samples as are submitted until it is ended'",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
