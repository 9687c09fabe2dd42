"""Kinds of the core's records, each named once for all layers, with the type of its body.

What the core must know of each stands in :mod:`engine.core_area`; an area has kinds of its own
(:mod:`engine.journal.areas`). A kind is part of the bytes that the chain commits to: it never
changes.
"""

from typing import Final

from engine.journal import payloads as of
from engine.journal.entries import Kind

TICK: Final = Kind[of.TickBody]("tick")
"""States only the time."""
CLOCK_ACCEPTED: Final = Kind[of.ClockBody]("clock_accepted")
"""A person accepts the wall clock."""
ERASURE: Final = Kind[of.ErasureBody]("erasure")
"""Names earlier records, in ``sequences``, whose bodies were erased."""

ERASURE_PROPOSED: Final = Kind[of.ApprovalBody]("erasure_proposed")
"""A first person proposes what is to be erased; the erasure takes this body too."""
ERASURE_APPROVED: Final = Kind[of.ApprovalBody]("erasure_approved")
"""A second person approves; the erasures follow in the same transaction."""

LOAD_WITHDRAWAL_PROPOSED: Final = Kind[of.ApprovalBody]("load_withdrawal_proposed")
"""A first person proposes that a load be taken out of the history; the content names the load."""
LOAD_WITHDRAWAL_APPROVED: Final = Kind[of.ApprovalBody]("load_withdrawal_approved")
"""A second person approves: from this record on the load is no part of the history."""

DECISION: Final = Kind[of.DecisionBody]("decision")
CROSSING: Final = Kind[of.CrossingBody]("crossing")
"""A crossing that was reported without a request for a decision."""
DECLARATION_LODGED: Final = Kind[of.LodgedBody]("declaration_lodged")
"""A version of a declaration ahead of its vehicle; the subject is the declaration."""
DECLARATION_CANCELLED: Final = Kind[of.CancelledBody]("declaration_cancelled")
"""A declaration ahead is withdrawn by its sender."""
INSPECTION: Final = Kind[of.InspectionBody]("inspection")
SEIZURE: Final = Kind[of.SeizureBody]("seizure")
INSPECTION_CORRECTED: Final = Kind[of.InspectionCorrectedBody]("inspection_corrected")
"""An inspection act is stated again as a whole; the subject is the act."""
SEIZURE_CORRECTED: Final = Kind[of.SeizureCorrectedBody]("seizure_corrected")
"""A seizure is stated again, or withdrawn; the subject is the seizure."""
FIND_CONFIRMED: Final = Kind[of.ConfirmationBody]("find_confirmed")
"""A second person confirms to which crossing a find belongs."""
RELEASE: Final = Kind[of.ReleaseBody]("release")
"""A vehicle is released from the queue."""
VEHICLE_TAKEN: Final = Kind[of.VehicleTakenBody]("vehicle_taken")
"""An officer takes a waiting vehicle, or takes it over; the subject is the crossing."""
VEHICLE_GIVEN_BACK: Final = Kind[of.VehicleGivenBackBody]("vehicle_given_back")
"""The officer who took it gives it back."""
AUDIT_CLOSED: Final = Kind[of.AuditClosedBody]("audit_closed")
"""An audit after release will not be made; the subject is the decision."""
QUEUE_EXPIRED: Final = Kind[of.ExpiryBody]("queue_expired")
"""A vehicle left the queue after a day."""
REVIEW: Final = Kind[of.ReviewBody]("review")
"""A supervisor's verdict on a decision."""

ROSTER: Final = Kind[of.RosterBody]("roster")
HANDOVER: Final = Kind[of.HandoverBody]("handover")
"""The supervisor who leaves signs what a shift leaves open; the subject is the shift."""
HANDOVER_TAKEN: Final = Kind[of.HandoverTakenBody]("handover_taken")
"""The one who takes over signs the same."""
SEEDS_COMMITTED: Final = Kind[of.SeedsCommittedBody]("seeds_committed")
"""Commits to the seeds of a post's next shifts; the subject is the post."""
SHIFT_OPENED: Final = Kind[of.ShiftOpenedBody]("shift_opened")
SHIFT_CLOSED: Final = Kind[of.ShiftClosedBody]("shift_closed")
"""Reveals the seed of a shift."""
PERCENTILES: Final = Kind[of.PercentilesBody]("percentiles")
"""The table of percentiles that decisions of a shift refer to."""

PROFILE_PROPOSED: Final = Kind[of.ApprovalBody]("profile_proposed")
PROFILE_NOTICED: Final = Kind[of.ApprovalBody]("profile_noticed")
PROFILE_BACKTESTED: Final = Kind[of.ApprovalBody]("profile_backtested")
PROFILE_APPROVED: Final = Kind[of.ApprovalBody]("profile_approved")
PROFILE_LEAVING: Final = Kind[of.ApprovalBody]("profile_leaving")
PROFILE_LEFT: Final = Kind[of.ApprovalBody]("profile_left")
PROFILE_COUNTED: Final = Kind[of.ProfileCountsBody]("profile_counted")
"""Counts of what shadow profiles would have matched."""
PROFILE_FAILED: Final = Kind[of.FailedProfileBody]("profile_failed")
"""A profile could not be evaluated."""
WATCHLIST_PROPOSED: Final = Kind[of.ApprovalBody]("watchlist_proposed")
WATCHLIST_NOTICED: Final = Kind[of.ApprovalBody]("watchlist_noticed")
WATCHLIST_BACKTESTED: Final = Kind[of.ApprovalBody]("watchlist_backtested")
WATCHLIST_APPROVED: Final = Kind[of.ApprovalBody]("watchlist_approved")
WATCHLIST_LEAVING: Final = Kind[of.ApprovalBody]("watchlist_leaving")
WATCHLIST_LEFT: Final = Kind[of.ApprovalBody]("watchlist_left")

MODEL_REGISTERED: Final = Kind[of.ModelBody]("model_registered")
MODEL_SHADOWED: Final = Kind[of.ModelBody]("model_shadowed")
MODEL_APPROVED: Final = Kind[of.ModelBody]("model_approved")
MODEL_IN_FORCE: Final = Kind[of.ModelBody]("model_in_force")
MODEL_RETIRED: Final = Kind[of.ModelBody]("model_retired")
MODEL_CHALLENGED: Final = Kind[of.ModelBody]("model_challenged")
SHADOW_SCORES: Final = Kind[of.ShadowScoresBody]("shadow_scores")
"""Shadow scores of one day at a post; the subject is the version."""
DRIFT_MEASURED: Final = Kind[of.FiguresBody]("drift_measured")
"""One measurement of drift; the subject is the version."""
TRIAL_MEASURED: Final = Kind[of.TrialBody]("trial_measured")
"""Results of both sides of a trial; the subject is the challenger."""

HISTORY_LOADED: Final = Kind[of.HistoryBody]("history")
"""Anchors a load, with which the counters started again."""
HISTORY_ERASED: Final = Kind[of.ErasedHistoryBody]("history_erased")
"""Anchors what is left of a load, which was put in the place of the load."""
LOAD_BEGUN: Final = Kind[of.LoadBody]("load_begun")
"""Names a load before its folder is in place. Without the record of the load after it, the load
was not finished."""
NETWORK_DECLARED: Final = Kind[of.NetworkBody]("network_declared")
"""Anchors the network file."""

KEY_CREATED: Final = Kind[of.AccountBody]("key_created")
KEY_REVOKED: Final = Kind[of.AccountBody]("key_revoked")
USER_CREATED: Final = Kind[of.AccountBody]("user_created")
USER_LEFT: Final = Kind[of.AccountBody]("user_left")
PASSWORD_CHANGED: Final = Kind[of.AccountBody]("password_changed")
SIGNED_IN: Final = Kind[of.AccountBody]("signed_in")
SIGNED_OUT: Final = Kind[of.AccountBody]("signed_out")
AGENCIES_PROPOSED: Final = Kind[of.ApprovalBody]("agencies_proposed")
"""A table of what each role of each agency may do, proposed by a first person."""
AGENCIES_APPROVED: Final = Kind[of.ApprovalBody]("agencies_approved")
"""A second person puts the table into force."""
OIDC_PROPOSED: Final = Kind[of.ApprovalBody]("oidc_proposed")
"""An identity provider and what its claims grant, proposed by a first person."""
OIDC_APPROVED: Final = Kind[of.ApprovalBody]("oidc_approved")
"""A second person puts the identity provider into force."""
OIDC_GRANTED: Final = Kind[of.OidcGrantBody]("oidc_granted")
"""What the claims of a subject grant from now on; the subject is a keyed digest."""
OIDC_LINKED: Final = Kind[of.AccountBody]("oidc_linked")
"""A subject and the owner of a local account are one person."""
ACCOUNT_PROPOSED: Final = Kind[of.ApprovalBody]("account_proposed")
"""A person, a key, a role or a password that a first administrator asks a second one to grant."""
ACCOUNT_APPROVED: Final = Kind[of.ApprovalBody]("account_approved")
"""A second administrator grants it; of a role its ``content`` again, for the table of users."""
ACCOUNT_WITHDRAWN: Final = Kind[of.AccountBody]("account_withdrawn")
"""One administrator ends a proposal, or a grant that no one redeemed yet."""


SECRETS_DROPPED: Final = Kind[of.DroppedSecretsBody]("secrets_dropped")
"""Names the secrets that a rebuild could not keep."""
SENSITIVE_READ: Final = Kind[of.SensitiveReadBody]("sensitive_read")
"""A person opened a record."""
JOURNAL_VERIFIED: Final = Kind[of.VerifiedBody]("verified")
"""The journal was verified from the pages."""
