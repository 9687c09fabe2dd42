"""Records, and parts of records, that a caller's agency sees.

Acts, seizures, reviews and entries of the watch list have an agency, and a decision repeats what
the entries that it matched say. Whether a caller sees a row of an agency is decided in one place,
:meth:`api.auth.callers.Caller.sees`; here it is said whose rows a record holds. A kind of record
that is not listed here is shown to callers alone who see the rows of every agency.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from api.auth.agencies import Scope
from api.auth.callers import Caller
from api.auth.permissions import Matter, Right
from engine.criteria.dual_control import KINDS_OF, read_approval_states
from engine.criteria.match import WATCHLIST
from engine.events.endpoints import ENDPOINT_KINDS, EndpointHistory
from engine.journal.kinds import (
    ACCOUNT_PROPOSED,
    ACCOUNT_WITHDRAWN,
    AUDIT_CLOSED,
    CASE_EVENT,
    CASE_OPENED,
    CLOCK_ACCEPTED,
    CROSSING,
    DECISION,
    DECLARATION_CANCELLED,
    DECLARATION_LODGED,
    DRIFT_MEASURED,
    ERASURE,
    FIND_CONFIRMED,
    HANDOVER,
    HANDOVER_TAKEN,
    HISTORY_ERASED,
    HISTORY_LOADED,
    INSPECTION,
    INSPECTION_CORRECTED,
    JOURNAL_VERIFIED,
    KEY_CREATED,
    KEY_REVOKED,
    LINK_ENDED,
    LINK_RECEIPTED,
    LINK_RECEIVED,
    LINK_REFUSED,
    LINK_RESUMED,
    LINK_SENT,
    LINK_STOPPED,
    LOAD_BEGUN,
    MATCH_ANSWERED,
    MATCH_ASKED,
    MATCH_ENQUIRED,
    MATCH_FOUND,
    MATCH_STEP,
    MODEL_APPROVED,
    MODEL_CHALLENGED,
    MODEL_IN_FORCE,
    MODEL_REGISTERED,
    MODEL_RETIRED,
    MODEL_SHADOWED,
    NETWORK_DECLARED,
    OIDC_GRANTED,
    OIDC_LINKED,
    PASSWORD_CHANGED,
    PERCENTILES,
    POST_RECORD,
    PROFILE_COUNTED,
    PROFILE_FAILED,
    QUEUE_EXPIRED,
    RELEASE,
    REVIEW,
    ROSTER,
    SECRETS_DROPPED,
    SEEDS_COMMITTED,
    SEIZURE,
    SEIZURE_CORRECTED,
    SENSITIVE_READ,
    SHADOW_SCORES,
    SHIFT_CLOSED,
    SHIFT_OPENED,
    SIGNED_IN,
    SIGNED_OUT,
    TICK,
    TRAINING_CLOSED,
    TRAINING_HOME,
    TRAINING_PICK,
    TRAINING_SHIFT,
    TRIAL_MEASURED,
    USER_CREATED,
    USER_LEFT,
    VEHICLE_GIVEN_BACK,
    VEHICLE_TAKEN,
)

Body = Mapping[str, Any]
Owner = tuple[Matter, str | None]
"""A matter, and the agency whose row a record holds there; None where the row has none."""


def _own_act(body: Body) -> Iterator[Owner]:
    yield Matter.ACTS, body["inspection"].get("agency")


def _own_corrected_find(body: Body) -> Iterator[Owner]:
    yield Matter.SEIZURES, body["was"].get("agency")


def _own_seizure(body: Body) -> Iterator[Owner]:
    yield Matter.SEIZURES, body["seizure"].get("agency")


def _own_review(body: Body) -> Iterator[Owner]:
    yield Matter.REVIEWS, body.get("agency")


def _own_case(body: Body) -> Iterator[Owner]:
    found = body.get("opening") or body
    yield Matter.CASES, found.get("agency") or None


def _own_account(body: Body) -> Iterator[Owner]:
    yield Matter.PEOPLE, body["content"].get("agency")


def _own_matches(body: Body) -> Iterator[Owner]:
    for match in body["inputs"]["matches"]:
        if match["source"] == WATCHLIST:
            yield Matter.WATCHLIST, (match.get("parameters") or {}).get("agency")


OWNERS: Mapping[str, Callable[[Body], Iterator[Owner]]] = {
    INSPECTION: _own_act,
    INSPECTION_CORRECTED: _own_act,
    SEIZURE_CORRECTED: _own_corrected_find,
    SEIZURE: _own_seizure,
    FIND_CONFIRMED: _own_seizure,
    REVIEW: _own_review,
    DECISION: _own_matches,
    ACCOUNT_PROPOSED: _own_account,
    CASE_OPENED: _own_case,
    CASE_EVENT: _own_case,
}
"""Whose rows a record holds, by its kind; those of the watch list follow from their entry."""
WATCHLIST_KINDS = frozenset(KINDS_OF["watchlist"])
BY_SUBJECT = WATCHLIST_KINDS | {*ENDPOINT_KINDS}
"""Kinds whose rows are those of their subject."""
_ACCOUNTS = (
    *(kind for kind in KINDS_OF["account"] if kind != ACCOUNT_PROPOSED),
    ACCOUNT_WITHDRAWN,
    KEY_CREATED,
    KEY_REVOKED,
    USER_CREATED,
    USER_LEFT,
    PASSWORD_CHANGED,
    SIGNED_IN,
    SIGNED_OUT,
    SECRETS_DROPPED,
    OIDC_GRANTED,
    OIDC_LINKED,
)
_MATCHES = (MATCH_ASKED, MATCH_ANSWERED, MATCH_FOUND, MATCH_ENQUIRED, MATCH_STEP)
MATTERS: Mapping[str, Matter] = {
    **dict.fromkeys((DECISION, CROSSING, RELEASE, QUEUE_EXPIRED, AUDIT_CLOSED), Matter.DECISIONS),
    **dict.fromkeys((VEHICLE_TAKEN, VEHICLE_GIVEN_BACK), Matter.DECISIONS),
    **dict.fromkeys((DECLARATION_LODGED, DECLARATION_CANCELLED), Matter.DECISIONS),
    **dict.fromkeys((INSPECTION, INSPECTION_CORRECTED), Matter.ACTS),
    **dict.fromkeys((SEIZURE, SEIZURE_CORRECTED, FIND_CONFIRMED), Matter.SEIZURES),
    REVIEW: Matter.REVIEWS,
    **dict.fromkeys((CASE_OPENED, CASE_EVENT), Matter.CASES),
    **dict.fromkeys(KINDS_OF["watchlist"], Matter.WATCHLIST),
    **dict.fromkeys((*KINDS_OF["profile"], PROFILE_COUNTED, PROFILE_FAILED), Matter.PROFILES),
    **dict.fromkeys((MODEL_REGISTERED, MODEL_SHADOWED, MODEL_APPROVED), Matter.MODELS),
    **dict.fromkeys((MODEL_IN_FORCE, MODEL_CHALLENGED, MODEL_RETIRED), Matter.MODELS),
    **dict.fromkeys((SHADOW_SCORES, DRIFT_MEASURED, TRIAL_MEASURED), Matter.MODELS),
    ROSTER: Matter.REPORTS,
    **dict.fromkeys((HANDOVER, HANDOVER_TAKEN), Matter.ACTS),
    **dict.fromkeys((*KINDS_OF["agencies"], *KINDS_OF["oidc"], *ENDPOINT_KINDS), Matter.PEOPLE),
    **dict.fromkeys((*KINDS_OF["erasure"], ERASURE), Matter.PEOPLE),
    **dict.fromkeys((ACCOUNT_PROPOSED, *_ACCOUNTS), Matter.PEOPLE),
    **dict.fromkeys((*KINDS_OF["link"], *KINDS_OF["link_resumption"]), Matter.PEOPLE),
    **dict.fromkeys((LINK_ENDED, LINK_STOPPED, LINK_RESUMED), Matter.PEOPLE),
    **dict.fromkeys(_MATCHES, Matter.WATCHLIST),
    **dict.fromkeys((LINK_SENT, LINK_RECEIVED, LINK_REFUSED, LINK_RECEIPTED), Matter.DECISIONS),
}
"""What a record is about besides the journal, by its kind."""
ROWLESS = frozenset(
    {
        TICK,
        CLOCK_ACCEPTED,
        SEEDS_COMMITTED,
        SHIFT_OPENED,
        SHIFT_CLOSED,
        PERCENTILES,
        HISTORY_LOADED,
        HISTORY_ERASED,
        LOAD_BEGUN,
        NETWORK_DECLARED,
        SENSITIVE_READ,
        JOURNAL_VERIFIED,
        TRAINING_HOME,
        TRAINING_SHIFT,
        TRAINING_PICK,
        TRAINING_CLOSED,
    }
)
"""Kinds that hold no agency's rows: who reads the journal of their post sees them."""
_NONE = frozenset({Scope.NONE})
_HIDDEN: Mapping[str, frozenset[Scope]] = dict.fromkeys(
    (LINK_SENT, LINK_RECEIVED, HANDOVER, HANDOVER_TAKEN, *_MATCHES, *_ACCOUNTS), _NONE | {Scope.OWN}
)
"""Scopes that do not reach a kind at all: what travels may be about any post, and a vehicle, and
common entries may be any agency's; a handover sums the acts of all; whose an account is, its later
records do not say."""
OF_POSTS = frozenset({Matter.DECISIONS, Matter.PROFILES, Matter.REPORTS})
"""Matters whose rows belong to the agencies of their post."""


class RecordFilter:
    """Tells which records of the journal a caller sees whole."""

    def __init__(self, connection: Connection, caller: Caller) -> None:
        self._caller = caller
        self._sees_every_row = all(caller.sees_all(matter) for matter in Matter)
        self._hidden_finds = caller.duties.hidden_posts(Matter.SEIZURES, Right.SEE)
        self._owners: dict[tuple[Matter, str | None], str | None] = {}
        """Agency of each entry of the watch list and of each webhook, where any may be hidden."""
        if not caller.sees_all(Matter.WATCHLIST):
            states = read_approval_states(connection, "watchlist").values()
            self._owners = {
                (Matter.WATCHLIST, one.subject): one.content.get("agency") for one in states
            }
        self._profiles: Mapping[str | None, str] = {}
        if not caller.sees_all(Matter.PROFILES):
            states = read_approval_states(connection, "profile").values()
            self._profiles = {one.subject: one.content.get("post") or "" for one in states}
        if not caller.sees_all(Matter.PEOPLE):
            known = EndpointHistory().look(connection).values()
            self._owners |= {(Matter.PEOPLE, one.webhook_id): one.agency for one in known}

    def sees(self, kind: str, subject: str, post: str, *, body: Body | None) -> bool:
        """Tell whether a record holds no row that is hidden; an erased one may hold any.

        A record of a post's node that has no effect here is seen as what it wraps, where its post
        is one of the link's; what the node knows of entries and profiles is not known here.
        """
        if self._sees_every_row or kind in ROWLESS:
            return True
        if kind != POST_RECORD:
            return self._sees_row(kind, subject, post, body=body)
        if body is None or body["post"] != post:
            return False
        wrapped = str(body["kind"])
        return wrapped in ROWLESS or self._sees_row(wrapped, None, post, body=body.get("content"))

    def _sees_row(self, kind: str, subject: str | None, post: str, *, body: Body | None) -> bool:
        """Tell it of a kind that holds rows; ``subject`` is None where it is not known here."""
        matter, caller = MATTERS.get(kind), self._caller
        if matter is None or not self._reaches(kind, matter, subject, post):
            return False
        if kind in BY_SUBJECT:
            agency = self._owners.get((matter, subject), _UNKNOWN)
            return caller.sees_all(matter) or (agency != _UNKNOWN and caller.sees(matter, agency))
        if kind not in OWNERS:
            return True
        if body is None:
            return False
        entered = body.get("pending_post")  # another post than the record's, which is the sender's
        if entered is not None and entered in self._hidden_finds:
            return False
        return all(caller.sees(*owner) for owner in OWNERS[kind](body))

    def _reaches(self, kind: str, matter: Matter, subject: str | None, post: str) -> bool:
        """Tell whether a kind is reached at a post; a step about a profile does not name its post.

        One about a profile that is not known here may be about any.
        """
        duties = self._caller.duties
        if duties.scope(matter, Right.SEE) in _HIDDEN.get(kind, _NONE):
            return False
        if matter not in OF_POSTS or self._caller.sees_all(matter):
            return True
        at = self._profiles.get(subject) if matter is Matter.PROFILES else post
        return at is not None and at not in duties.hidden_posts(matter, Right.SEE)


_UNKNOWN = "?"
"""Stands for the agency of an entry or a webhook that is not known here; no agency's code."""


def visible_reasons(caller: Caller, reasons: Sequence[Body]) -> list[Any]:
    """Return the reasons of a decision without those that entries of other agencies give."""
    return [
        one
        for one in reasons
        if one["code"] != WATCHLIST
        or caller.sees(Matter.WATCHLIST, (one.get("parameters") or {}).get("agency"))
    ]
