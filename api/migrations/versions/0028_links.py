"""Envelopes of links, records from elsewhere once each, and the indexes of power for agreements."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"

KINDS = (
    "credentials_adopted", "key_created", "key_revoked", "user_created", "password_changed",
    "user_left", "signed_in", "signed_out", "profile_proposed", "profile_noticed",
    "profile_backtested", "profile_approved", "profile_leaving", "profile_left",
    "watchlist_proposed", "watchlist_noticed", "watchlist_backtested", "watchlist_approved",
    "watchlist_leaving", "watchlist_left", "model_registered", "model_shadowed", "model_approved",
    "model_in_force", "model_retired", "model_challenged", "drift_measured", "trial_measured",
    "shift_opened", "percentiles", "agencies_proposed", "agencies_approved", "oidc_proposed",
    "oidc_approved", "oidc_granted", "oidc_linked", "link_proposed", "link_approved",
    "link_ended", "link_stopped", "link_resumption_proposed",
    "link_resumption_approved",
)  # fmt: skip


def upgrade() -> None:
    """Create them; no record of before came from elsewhere, so the unique index is empty."""
    op.create_table(
        "link_envelopes",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=False),
        *(
            sa.Column(name, sa.String, nullable=False)
            for name in ("link", "direction", "kind", "digest", "status", "rule")
        ),
        *(
            sa.Column(name, sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False)
            for name in (
                "number",
                "known_at",
                "sent_at",
                "settled_at",
                "receipt_seq",
                "answered_at",
            )
        ),
        sa.PrimaryKeyConstraint("seq", name="link_envelopes_pk"),
    )
    op.create_index("link_envelopes_number_ix", "link_envelopes", ["link", "direction", "number"])
    named = sa.text("origin_seq IS NOT NULL")
    op.create_index(
        "journal_origin_ix",
        "journal",
        ["origin", "origin_seq"],
        unique=True,
        sqlite_where=named,
        postgresql_where=named,
    )
    condition = sa.text(f"kind IN ({', '.join(repr(kind) for kind in KINDS)})")
    for name, columns in (
        ("journal_power_ix", ["kind", "seq"]),
        ("journal_power_subject_ix", ["subject", "seq"]),
    ):
        op.drop_index(name, "journal")
        op.create_index(
            name, "journal", columns, sqlite_where=condition, postgresql_where=condition
        )
