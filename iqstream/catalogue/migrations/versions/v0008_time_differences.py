"""Time differences between the receivers of an accepted sample, beside its row, where its dataset asks for them."""

from alembic import op

revision = "0008"
down_revision = "0007"

_STATEMENTS = (
    """
    CREATE TABLE heimdall.pair_measurements (
        dataset_id uuid NOT NULL,
        dataset_version integer NOT NULL,
        sample_idx integer NOT NULL,
        pairs jsonb[] NOT NULL,
        extractor_version text NOT NULL,
        PRIMARY KEY (dataset_id, dataset_version, sample_idx),
        FOREIGN KEY (dataset_id, dataset_version, sample_idx)
            REFERENCES heimdall.measurement_features (dataset_id, dataset_version, sample_idx) ON DELETE CASCADE
    )
    """,
    "COMMENT ON TABLE heimdall.pair_measurements IS 'time differences; a row goes with that of the features'",
    "COMMENT ON COLUMN heimdall.pair_measurements.pairs IS 'a JSON object of each pair of receivers'",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
