"""Indexes of power for accounts that two administrators grant."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"

KINDS = (
    "credentials_adopted", "key_created", "key_revoked", "user_created", "password_changed",
    "user_left", "signed_in", "signed_out", "profile_proposed", "profile_noticed",
    "profile_backtested", "profile_approved", "profile_leaving", "profile_left",
    "watchlist_proposed", "watchlist_noticed", "watchlist_backtested", "watchlist_approved",
    "watchlist_leaving", "watchlist_left", "model_registered", "model_shadowed", "model_approved",
    "model_in_force", "model_retired", "model_challenged", "drift_measured", "trial_measured",
    "shift_opened", "percentiles", "agencies_proposed", "agencies_approved", "oidc_proposed",
    "oidc_approved", "oidc_granted", "oidc_linked", "account_proposed", "account_approved",
    "account_withdrawn", "link_proposed", "link_approved",
    "link_ended", "link_stopped", "link_resumption_proposed", "link_resumption_approved",
    "match_asked", "match_answered", "match_found", "match_enquired", "match_step",
    "webhook_registered", "webhook_rotated", "webhook_resent", "webhook_disabled", "webhook_ended",
)  # fmt: skip


def upgrade() -> None:
    """Build the indexes; no record of the new kinds exists yet."""
    condition = sa.text(f"kind IN ({', '.join(repr(kind) for kind in KINDS)})")
    for name, columns in (
        ("journal_power_ix", ["kind", "seq"]),
        ("journal_power_subject_ix", ["subject", "seq"]),
    ):
        op.drop_index(name, "journal")
        op.create_index(
            name, "journal", columns, sqlite_where=condition, postgresql_where=condition
        )
