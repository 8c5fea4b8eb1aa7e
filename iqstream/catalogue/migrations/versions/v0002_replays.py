"""Datasets processed again, and dead letters whose samples were."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    """
    CREATE TABLE heimdall.replays (
        dataset_id uuid NOT NULL,
        dataset_version integer NOT NULL,
        generation integer NOT NULL CHECK (generation >= 0),
        source_version integer NOT NULL,
        samples int4multirange NOT NULL CHECK (NOT isempty(samples)),
        lanes integer NOT NULL CHECK (lanes >= 1),
        started_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz,
        PRIMARY KEY (dataset_id, dataset_version, generation),
        FOREIGN KEY (dataset_id, dataset_version) REFERENCES heimdall.datasets (id, version)
    )
    """,
    "COMMENT ON COLUMN heimdall.replays.lanes IS 'parts that are published apart; how far each got is in Kafka'",
    """
    CREATE TABLE heimdall.dead_letter_retries (
        topic text NOT NULL,
        partition integer NOT NULL,
        "offset" bigint NOT NULL,
        dataset_id uuid NOT NULL,
        dataset_version integer NOT NULL,
        sample_idx integer NOT NULL,
        generation integer NOT NULL,
        retried_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (topic, partition, "offset", dataset_id, dataset_version, sample_idx, generation),
        FOREIGN KEY (dataset_id, dataset_version, generation) REFERENCES heimdall.replays
    )
    """,
    "COMMENT ON TABLE heimdall.dead_letter_retries IS 'dead letters by their origin, with the replay of their sample'",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
