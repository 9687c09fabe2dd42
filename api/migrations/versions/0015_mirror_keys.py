"""By what else than its plate a decided vehicle is found, and what an alert stands on."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table, empty; alerts made before this upgrade stood on the plate."""
    op.create_table(
        "mirror_keys",
        sa.Column("post", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("value", sa.String, nullable=False),
        sa.Column("known_at", INT64, autoincrement=False, nullable=False),
        sa.Column("decision_id", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("post", "kind", "value", "known_at", name="mirror_keys_pk"),
    )
    matched = sa.Column("matched", sa.String, nullable=False, server_default="plate")
    op.add_column("mirror_alerts", matched)
