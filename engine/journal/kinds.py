"""Kinds of the journal's records, each named once for all layers.

A kind is part of the bytes that the chain commits to: it never changes, and a kind that is no
longer written stays here for as long as old journals can hold it.
"""

from typing import Final

TICK: Final[str] = "tick"
"""States only the time."""
CLOCK_ACCEPTED: Final[str] = "clock_accepted"
"""A person accepts the wall clock."""
ERASURE: Final[str] = "erasure"
"""Names earlier records, in ``sequences``, whose bodies were erased."""

DECISION: Final[str] = "decision"
CROSSING: Final[str] = "crossing"
"""A crossing that was reported without a request for a decision."""
INSPECTION: Final[str] = "inspection"
SEIZURE: Final[str] = "seizure"
FIND_CONFIRMED: Final[str] = "find_confirmed"
"""A second person confirms to which crossing a find belongs."""
RELEASE: Final[str] = "release"
"""A vehicle is released from the queue."""
QUEUE_EXPIRED: Final[str] = "queue_expired"
"""A vehicle left the queue after a day."""
REVIEW: Final[str] = "review"
"""A supervisor's verdict on a decision."""

ROSTER: Final[str] = "roster"
SHIFT_OPENED: Final[str] = "shift_opened"
SHIFT_CLOSED: Final[str] = "shift_closed"
"""Reveals the seed of a shift."""
PERCENTILES: Final[str] = "percentiles"
"""The table of percentiles that decisions of a shift refer to."""

PROFILE_PROPOSED: Final[str] = "profile_proposed"
PROFILE_NOTICED: Final[str] = "profile_noticed"
PROFILE_BACKTESTED: Final[str] = "profile_backtested"
PROFILE_APPROVED: Final[str] = "profile_approved"
PROFILE_LEAVING: Final[str] = "profile_leaving"
PROFILE_LEFT: Final[str] = "profile_left"
PROFILE_COUNTED: Final[str] = "profile_counted"
"""Counts of what shadow profiles would have matched."""
PROFILE_FAILED: Final[str] = "profile_failed"
"""A profile could not be evaluated."""
WATCHLIST_PROPOSED: Final[str] = "watchlist_proposed"
WATCHLIST_NOTICED: Final[str] = "watchlist_noticed"
WATCHLIST_BACKTESTED: Final[str] = "watchlist_backtested"
WATCHLIST_APPROVED: Final[str] = "watchlist_approved"
WATCHLIST_LEAVING: Final[str] = "watchlist_leaving"
WATCHLIST_LEFT: Final[str] = "watchlist_left"

MODEL_REGISTERED: Final[str] = "model_registered"
MODEL_SHADOWED: Final[str] = "model_shadowed"
MODEL_APPROVED: Final[str] = "model_approved"
MODEL_IN_FORCE: Final[str] = "model_in_force"
MODEL_RETIRED: Final[str] = "model_retired"
MODEL_CHALLENGED: Final[str] = "model_challenged"
SHADOW_SCORES: Final[str] = "shadow_scores"
"""Shadow scores of one day at a post; the subject is the version."""
DRIFT_MEASURED: Final[str] = "drift_measured"
"""One measurement of drift; the subject is the version."""
TRIAL_MEASURED: Final[str] = "trial_measured"
"""Results of both sides of a trial; the subject is the challenger."""

HISTORY_LOADED: Final[str] = "history"
"""Anchors a load, with which the counters started again."""
LOAD_BEGUN: Final[str] = "load_begun"
"""Names a load before its folder is in place. Without the record of the load after it, the load
was not finished."""
NETWORK_DECLARED: Final[str] = "network_declared"
"""Anchors the network file."""
QUARANTINE_DECLARED: Final[str] = "quarantine_declared"
"""Anchors the quarantine file of a load from before such files were anchored."""

KEY_CREATED: Final[str] = "key_created"
KEY_REVOKED: Final[str] = "key_revoked"
USER_CREATED: Final[str] = "user_created"
USER_LEFT: Final[str] = "user_left"
PASSWORD_CHANGED: Final[str] = "password_changed"  # noqa: S105 - a kind of record
SIGNED_IN: Final[str] = "signed_in"
SIGNED_OUT: Final[str] = "signed_out"
CREDENTIALS_ADOPTED: Final[str] = "credentials_adopted"
"""Commits once to the secrets of a home whose earlier records commit to none."""
SECRETS_DROPPED: Final[str] = "secrets_dropped"
"""Names the secrets that a rebuild could not keep."""
SENSITIVE_READ: Final[str] = "sensitive_read"
"""A person opened a record."""
JOURNAL_VERIFIED: Final[str] = "verified"
"""The journal was verified from the pages."""

KINDS: Final = frozenset(
    value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str)
)
"""Every kind."""
