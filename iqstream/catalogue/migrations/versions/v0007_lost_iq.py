"""IQ that was to be stored and can be had in no way: noted, counted, and waited for no longer."""

from alembic import op

revision = "0007"
down_revision = "0006"

_STATEMENTS = (
    "ALTER TABLE heimdall.iq_saves ADD COLUMN given_up_at timestamptz",
    "COMMENT ON COLUMN heimdall.iq_saves.given_up_at IS 'its IQ cannot be had; error says why'",
    "ALTER TABLE heimdall.datasets ADD COLUMN iq_samples_lost integer NOT NULL DEFAULT 0",
    """
    ALTER TABLE heimdall.datasets ADD CONSTRAINT datasets_lost_iq_was_chosen
        CHECK (iq_samples_lost >= 0 AND iq_samples_saved + iq_samples_lost <= iq_chosen)
    """,
    "DROP INDEX heimdall.iq_saves_open",
    """
    CREATE INDEX iq_saves_open ON heimdall.iq_saves (dataset_id, dataset_version, sample_idx)
        WHERE saved_at IS NULL AND given_up_at IS NULL
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
