"""Dead letters by the identity of their topic, whose name another one may take; and which of them were removed."""

from alembic import op

revision = "0004"
down_revision = "0003"

_STATEMENTS = (
    # letters of before do not say it: no topic has this id
    """
    ALTER TABLE heimdall.dead_letters
        ADD COLUMN topic_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
        DROP CONSTRAINT dead_letters_pkey,
        ADD PRIMARY KEY (topic, topic_id, partition, "offset")
    """,
    "ALTER TABLE heimdall.dead_letters ALTER COLUMN topic_id DROP DEFAULT",
    """
    ALTER TABLE heimdall.dead_letter_retries
        ADD COLUMN topic_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
        DROP CONSTRAINT dead_letter_retries_pkey,
        ADD PRIMARY KEY
            (topic, topic_id, partition, "offset", dataset_id, dataset_version, sample_idx, generation)
    """,
    "ALTER TABLE heimdall.dead_letter_retries ALTER COLUMN topic_id DROP DEFAULT",
    """
    CREATE TABLE heimdall.dead_letter_purges (
        topic text NOT NULL,
        topic_id uuid NOT NULL,
        partition integer NOT NULL,
        "offset" bigint NOT NULL,
        purged_at timestamptz NOT NULL,
        PRIMARY KEY (topic, topic_id, partition, "offset")
    )
    """,
    "COMMENT ON TABLE heimdall.dead_letter_purges IS 'removed letters that Kafka still has, behind others that stay'",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
