"""Reviews of decisions, and which vehicles have left."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table, empty; vehicles released before are not known to have left."""
    op.create_table(
        "reviews",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        sa.Column("decision_id", sa.String, nullable=False),
        sa.Column("post", sa.String, nullable=False),
        sa.Column("known_at", INT64, nullable=False),
        sa.Column("person", sa.String, nullable=False),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("channel", sa.SmallInteger, nullable=False),
        sa.Column("reason_code", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="reviews_pk"),
    )
    op.create_index("reviews_decision_id_ix", "reviews", ["decision_id"])
    op.create_index("reviews_post_ix", "reviews", ["post", "known_at"])
    op.add_column(
        "decisions", sa.Column("left", sa.Boolean, nullable=False, server_default=sa.false())
    )
