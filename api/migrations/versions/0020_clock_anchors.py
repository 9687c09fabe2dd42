"""What the time was at each start of a machine, so that a jump of its clock is not followed."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table, empty: the next record of each machine anchors its time."""
    op.create_table(
        "clock_anchors",
        sa.Column("boot_id", sa.String, nullable=False),
        sa.Column("since_boot", INT64, nullable=False),
        sa.Column("held_at", INT64, nullable=False),
        sa.PrimaryKeyConstraint("boot_id", name="clock_anchors_pk"),
    )
