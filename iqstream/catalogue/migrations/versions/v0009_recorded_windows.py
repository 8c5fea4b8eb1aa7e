"""Which windows of real recordings a dataset holds already, and samples that one receiver alone has detected."""

from alembic import op

revision = "0009"
down_revision = "0008"

_STATEMENTS = (
    """
    CREATE TABLE heimdall.recorded_windows (
        dataset_id uuid NOT NULL,
        identity bytea NOT NULL CHECK (octet_length(identity) = 32),
        sample_idx integer NOT NULL CHECK (sample_idx >= 0),
        PRIMARY KEY (dataset_id, identity)
    )
    """,
    "COMMENT ON TABLE heimdall.recorded_windows IS 'by SHA-256 of content and place, so that none is taken twice'",
    "COMMENT ON COLUMN heimdall.datasets.recorded IS 'real recordings: the spec says how windows become samples'",
    # it was made without a name
    """
    DO $$
    DECLARE found name;
    BEGIN
        SELECT conname INTO STRICT found FROM pg_constraint
        WHERE conrelid = 'heimdall.measurement_features'::regclass AND contype = 'c'
            AND pg_get_constraintdef(oid) LIKE '%num_receivers_detected%';
        EXECUTE format('ALTER TABLE heimdall.measurement_features DROP CONSTRAINT %I', found);
    END
    $$
    """,
    """
    ALTER TABLE heimdall.measurement_features ADD CONSTRAINT measurement_features_detected
        CHECK (num_receivers_detected BETWEEN 1 AND array_length(receiver_features, 1))
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
