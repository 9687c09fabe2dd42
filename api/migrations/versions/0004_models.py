"""What the journal says about models, where it can be read without walking the journal."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table, empty."""
    op.create_table(
        "model_records",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("person", sa.String, nullable=False),
        sa.Column("manifest", sa.String, nullable=False),
        sa.Column("evaluation", sa.String, nullable=False),
        sa.Column("card", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="model_records_pk"),
    )
