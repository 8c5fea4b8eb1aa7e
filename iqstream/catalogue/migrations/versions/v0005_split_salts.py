"""What a dataset's random split is salted by; those that are there keep theirs, their id."""

from alembic import op

revision = "0005"
down_revision = "0004"

_STATEMENTS = (
    "ALTER TABLE heimdall.datasets ADD COLUMN split_salt uuid",
    "UPDATE heimdall.datasets SET split_salt = id",
    "ALTER TABLE heimdall.datasets ALTER COLUMN split_salt SET NOT NULL",
    "COMMENT ON COLUMN heimdall.datasets.split_salt IS 'one for all datasets of the same recordings'",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
