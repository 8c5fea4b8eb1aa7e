"""What people say a dataset is for."""

from alembic import op

revision = "0006"
down_revision = "0005"

_STATEMENTS = ("ALTER TABLE heimdall.datasets ADD COLUMN description text NOT NULL DEFAULT ''",)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
