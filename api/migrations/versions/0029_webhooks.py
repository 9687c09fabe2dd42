"""Webhooks: the outbox and its deliveries, and the indexes of power for the records of webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"

KINDS = (
    "credentials_adopted", "key_created", "key_revoked", "user_created", "password_changed",
    "user_left", "signed_in", "signed_out", "profile_proposed", "profile_noticed",
    "profile_backtested", "profile_approved", "profile_leaving", "profile_left",
    "watchlist_proposed", "watchlist_noticed", "watchlist_backtested", "watchlist_approved",
    "watchlist_leaving", "watchlist_left", "model_registered", "model_shadowed", "model_approved",
    "model_in_force", "model_retired", "model_challenged", "drift_measured", "trial_measured",
    "shift_opened", "percentiles", "agencies_proposed", "agencies_approved", "oidc_proposed",
    "oidc_approved", "oidc_granted", "oidc_linked", "link_proposed", "link_approved",
    "link_ended", "link_stopped", "link_resumption_proposed", "link_resumption_approved",
    "webhook_registered", "webhook_rotated", "webhook_resent", "webhook_disabled", "webhook_ended",
)  # fmt: skip


def upgrade() -> None:
    """Create the tables, empty, and build the indexes again."""
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "webhooks",
        sa.Column("webhook_id", sa.String, nullable=False),
        sa.Column("seq", number, nullable=False),
        sa.Column("ended_seq", number),
        sa.PrimaryKeyConstraint("webhook_id", name="webhooks_pk"),
    )
    op.create_table(
        "webhook_events",
        sa.Column("seq", number, autoincrement=False, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("subject_key", number, nullable=False),
        sa.Column("known_at", number, nullable=False),
        sa.PrimaryKeyConstraint("seq", "type", name="webhook_events_pk"),
    )
    op.create_table(
        "webhook_cursors",
        sa.Column("webhook_id", sa.String, nullable=False),
        sa.Column("seq", number, nullable=False),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("leased_until", number, nullable=False),
        sa.Column("failing_since", number, nullable=False),
        sa.PrimaryKeyConstraint("webhook_id", name="webhook_cursors_pk"),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("webhook_id", sa.String, nullable=False),
        sa.Column("seq", number, autoincrement=False, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("subject_key", number, nullable=False),
        sa.Column("known_at", number, nullable=False),
        sa.Column("attempts", sa.SmallInteger, nullable=False),
        sa.Column("next_at", number),
        sa.Column("result", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("webhook_id", "seq", "type", name="webhook_deliveries_pk"),
    )
    for name, columns in (
        ("webhook_deliveries_due_ix", ["webhook_id", "next_at"]),
        ("webhook_deliveries_subject_ix", ["webhook_id", "subject_key", "seq"]),
    ):
        op.create_index(name, "webhook_deliveries", columns)
    condition = sa.text(f"kind IN ({', '.join(repr(kind) for kind in KINDS)})")
    for name, columns in (
        ("journal_power_ix", ["kind", "seq"]),
        ("journal_power_subject_ix", ["subject", "seq"]),
    ):
        op.drop_index(name, "journal")
        op.create_index(
            name, "journal", columns, sqlite_where=condition, postgresql_where=condition
        )
