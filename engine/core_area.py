"""The area of the core: records and tables that every installation has.

Decisions, what officers report, shifts, criteria, models, accounts and the journal itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from engine.domain.rights import Matter, Scope, matter_of_rule
from engine.journal import kinds as record
from engine.journal.areas import (
    Area,
    Body,
    Event,
    Group,
    NamedField,
    Owner,
    RecordRule,
    TableRule,
    await_approval,
    change_decision,
    group_alone,
    raise_fault,
    rule_steps,
)
from engine.journal.entries import JournalRecord


def _group_by_movement(one: JournalRecord[Any]) -> Group:
    """Return the movement that a record is about: an act says nothing without its crossing."""
    body = one.body
    crossing = body.get("crossing_id") or body.get("linked_crossing_id")
    if not crossing:
        arrival = body.get("arrival") or {"crossing": {}}
        crossing = body.get("pending_crossing_id") or arrival["crossing"].get("crossing_id")
    return ("movement", crossing) if crossing else group_alone(one)


def _group_by_entry(one: JournalRecord[Any]) -> Group:
    return "entry", one.subject


def _group_by_declaration(one: JournalRecord[Any]) -> Group:
    return "declaration", one.subject


def _own_act(body: Body) -> Iterator[Owner]:
    yield Matter.ACTS, body["inspection"].get("agency")


def _own_rule(body: Body) -> Iterator[Owner]:
    yield matter_of_rule(body["rule"]), body["agency"]


def _own_corrected_find(body: Body) -> Iterator[Owner]:
    yield Matter.SEIZURES, body["was"].get("agency")


def _own_seizure(body: Body) -> Iterator[Owner]:
    yield Matter.SEIZURES, body["seizure"].get("agency")


def _own_review(body: Body) -> Iterator[Owner]:
    yield Matter.REVIEWS, body.get("agency")


def _own_account(body: Body) -> Iterator[Owner]:
    yield Matter.PEOPLE, body["content"].get("agency")


def _own_matches(body: Body) -> Iterator[Owner]:
    for match in body["inputs"]["matches"]:
        if match["source"] in _ENTRIES:
            yield Matter.WATCHLIST, (match.get("parameters") or {}).get("agency")


def _list_decision_events(_subject: str, body: Body) -> Iterator[Event]:
    inputs = body["inputs"]
    if inputs["amends"] is not None:
        yield change_decision(body["crossing_id"])
    if any(match["source"] == _WATCHLIST for match in inputs["matches"]):
        yield Event("watchlist.hit", f"crossing:{body['crossing_id']}")


def _list_departure_events(_subject: str, body: Body) -> Iterator[Event]:
    yield change_decision(body["crossing_id"])


def _list_giving_events(_subject: str, body: Body) -> Iterator[Event]:
    if "to" in body:
        yield Event("vehicle.given", f"crossing:{body['crossing_id']}")


def _list_review_events(_subject: str, body: Body) -> Iterator[Event]:
    if body["review"]["verdict"] != "override":
        return
    about = f"crossing:{body['crossing_id']}"
    waits = body.get("needs_second_person")
    yield Event("approval.waiting" if waits else "decision.overridden", about)


def _list_seizure_events(subject: str, body: Body) -> Iterator[Event]:
    if body.get("pending_crossing_id") is not None:
        yield Event("approval.waiting", f"find:{subject}")


def _list_drift_events(subject: str, body: Body) -> Iterator[Event]:
    """Yield an alarm where searches no longer find what the model states."""
    overall = body["figures"].get("all") or {}
    if any((overall.get(stream) or {}).get("alarmed") for stream in ("picked", "random")):
        yield Event("alarm.raised", f"drift:{subject}")


def _list_suspension_events(subject: str, _body: Body) -> Iterator[Event]:
    yield Event("known_lawful.suspended", f"known_lawful:{subject}")


def _list_account_events(subject: str, body: Body) -> Iterator[Event]:
    """Yield an alarm where one account of the machine did what takes two administrators."""
    if body.get("on_machine"):
        yield Event("alarm.raised", f"account:{subject}")


def _rule_movement(matter: Matter, **more: Any) -> RecordRule:
    """Return the rule of what happens to a vehicle at a post: it is erased with its movement."""
    return RecordRule(matter=matter, group=_group_by_movement, is_of_post=True, **more)


_SUBJECT = "subject"
_VEHICLE = (NamedField("crossing", "crossing_id"),)
_WAITS = {"names": (NamedField("crossing", _SUBJECT), *_VEHICLE)}
_LEFT = {"names": (NamedField("decision", _SUBJECT), *_VEHICLE)}
_DECIDED = {"names": (*_LEFT["names"], NamedField("decision", "decision_id"))}
_ARRIVED = (
    NamedField("post", "arrival.crossing.post"),
    NamedField("crossing", "arrival.crossing.crossing_id", is_made=True),
)
_SEIZED = (
    NamedField("crossing", "seizure.crossing_id?"),
    NamedField("crossing", "linked_crossing_id?"),
    NamedField("inspection", "seizure.inspection_id?"),
)
_SUMMED = frozenset({Scope.NONE, Scope.OWN})
"""A handover sums the acts of all agencies."""
_HANDOVER = RecordRule(
    matter=Matter.ACTS,
    hidden=_SUMMED,
    group=group_alone,
    is_of_post=True,
    claimed=(),
    names=(NamedField("shift", _SUBJECT),),
)
_JOURNAL = RecordRule()
_ACCOUNT = RecordRule(matter=Matter.PEOPLE, hidden=_SUMMED, journals="both")
"""Whose an account is, its later records do not say."""
_MADE = replace(_ACCOUNT, events=_list_account_events)
_LATER = RecordRule(matter=Matter.PEOPLE, hidden=_SUMMED)
_CLOCK = RecordRule(journals="both")
_PROFILE = RecordRule(matter=Matter.PROFILES)
_POLICY_NAMED = (NamedField("policy", _SUBJECT, is_made=True),)
_MODEL = RecordRule(matter=Matter.MODELS)
_GOVERNING_MODEL = replace(_MODEL, names=(NamedField("model", _SUBJECT, is_made=True),))
_LAWFUL: Mapping[str, Any] = {
    "matter": Matter.WATCHLIST,
    "names": (NamedField("known_lawful", _SUBJECT, is_made=True),),
    "is_of_subject": True,
    "group": _group_by_entry,
}
"""Known lawful trade: agencies see its entries as they see those of the watch list."""
_PEOPLE = RecordRule(matter=Matter.PEOPLE)
_LODGED = RecordRule(matter=Matter.DECISIONS, group=_group_by_declaration)
_BY_RECORD = TableRule(erased_by=("seq",))
_BY_CROSSING = TableRule(erased_by=("crossing_id",))
_BY_RECORD_OR_DECISION = TableRule(erased_by=("seq", "decision_id"))
_SUMS = TableRule(is_counted=True)
_CREDENTIALS = TableRule(kept="credentials of the service's users, which records state")

_WATCHLIST = "watchlist"
_ENTRIES = (_WATCHLIST, "known_lawful")
"""Sources of matches, as :mod:`engine.criteria.match` names them; this module imports no room."""
AREA: Final = Area(
    name="core",
    check="engine.files.store:check_files",
    sweep="engine.files.store:sweep_files",
    records={
        record.TICK: RecordRule(journals="both", is_frequent=True),
        record.CLOCK_ACCEPTED: _CLOCK,
        record.ERASURE: _PEOPLE,
        **rule_steps(
            "erasure",
            {"proposed": record.ERASURE_PROPOSED},
            matter=Matter.PEOPLE,
            group=group_alone,
        ),
        **rule_steps("erasure", {"approved": record.ERASURE_APPROVED}, matter=Matter.PEOPLE),
        **rule_steps(
            "load_withdrawal",
            {
                "proposed": record.LOAD_WITHDRAWAL_PROPOSED,
                "approved": record.LOAD_WITHDRAWAL_APPROVED,
            },
            matter=Matter.PEOPLE,
        ),
        record.DECISION: _rule_movement(
            Matter.DECISIONS,
            owners=_own_matches,
            events=_list_decision_events,
            claimed=("crossing_id",),
            names=(
                *_ARRIVED,
                NamedField("decision", _SUBJECT, is_made=True),
                NamedField("decision", "decision.decision_id", is_made=True),
                NamedField("decision", "queue.decision_id", is_made=True),
                NamedField("decision", "queue.amends?"),
                NamedField("crossing", "crossing_id", is_made=True),
                NamedField("crossing", "queue.crossing_id", is_made=True),
            ),
            is_read_back=True,
            is_frequent=True,
        ),
        record.CROSSING: _rule_movement(
            Matter.DECISIONS,
            claimed=(),
            names=(*_ARRIVED, NamedField("crossing", _SUBJECT, is_made=True)),
            is_frequent=True,
        ),
        record.DECLARATION_LODGED: RecordRule(
            matter=Matter.DECISIONS,
            group=_group_by_declaration,
            is_read_back=True,
            is_frequent=True,
        ),
        record.DECLARATION_CANCELLED: _LODGED,
        record.INSPECTION: _rule_movement(
            Matter.ACTS,
            owners=_own_act,
            claimed=(),
            names=(
                NamedField("inspection", _SUBJECT, is_made=True),
                NamedField("inspection", "inspection.inspection_id", is_made=True),
                NamedField("crossing", "inspection.crossing_id"),
                *_VEHICLE,
            ),
            is_frequent=True,
        ),
        record.INSPECTION_CORRECTED: _rule_movement(
            Matter.ACTS,
            owners=_own_act,
            names=(
                NamedField("inspection", _SUBJECT),
                NamedField("inspection", "inspection.inspection_id"),
                NamedField("inspection", "was.inspection_id"),
                NamedField("crossing", "inspection.crossing_id"),
                NamedField("crossing", "was.crossing_id"),
                *_VEHICLE,
            ),
        ),
        record.SEIZURE: _rule_movement(
            Matter.SEIZURES,
            owners=_own_seizure,
            events=_list_seizure_events,
            claimed=(),
            names=(
                NamedField("seizure", _SUBJECT, is_made=True),
                NamedField("seizure", "seizure.seizure_id", is_made=True),
                *_SEIZED,
                NamedField("crossing", "pending_crossing_id?"),
                NamedField("post", "pending_post?"),
            ),
        ),
        record.SEIZURE_CORRECTED: _rule_movement(
            Matter.SEIZURES,
            owners=_own_corrected_find,
            names=(
                NamedField("seizure", _SUBJECT),
                NamedField("seizure", "seizure?.seizure_id"),
                NamedField("seizure", "was?.seizure_id"),
                NamedField("crossing", "seizure?.crossing_id?"),
                NamedField("crossing", "was?.crossing_id?"),
                NamedField("crossing", "crossing_id?"),
            ),
        ),
        record.CORRECTION_ASKED: _rule_movement(Matter.ACTS, **_WAITS),
        record.FIND_CONFIRMED: _rule_movement(
            Matter.SEIZURES,
            owners=_own_seizure,
            names=(
                NamedField("seizure", _SUBJECT),
                NamedField("seizure", "seizure.seizure_id"),
                *_SEIZED,
            ),
        ),
        record.RELEASE: _rule_movement(
            Matter.DECISIONS,
            events=_list_departure_events,
            claimed=(),
            is_frequent=True,
            **_WAITS,
        ),
        record.QUEUE_EXPIRED: _rule_movement(
            Matter.DECISIONS, events=_list_departure_events, is_frequent=True, **_LEFT
        ),
        record.VEHICLE_TAKEN: _rule_movement(
            Matter.DECISIONS, events=_list_giving_events, is_frequent=True, **_WAITS
        ),
        record.VEHICLE_GIVEN_BACK: _rule_movement(Matter.DECISIONS, **_WAITS),
        record.DOCUMENTS_ASKED: _rule_movement(
            Matter.ACTS,
            owners=_own_act,
            claimed=(),
            names=(
                NamedField("inspection", _SUBJECT, is_made=True),
                NamedField("inspection", "inspection.inspection_id", is_made=True),
                NamedField("crossing", "inspection.crossing_id"),
                *_VEHICLE,
            ),
        ),
        record.DOCUMENTS_CAME: _rule_movement(Matter.ACTS, **_WAITS),
        record.AUDIT_CLOSED: _rule_movement(Matter.DECISIONS, claimed=(), **_DECIDED),
        record.REVIEW: _rule_movement(
            Matter.REVIEWS, owners=_own_review, events=_list_review_events, **_DECIDED
        ),
        record.REASON_JUDGED: _rule_movement(Matter.DECISIONS, **_DECIDED),
        record.ROSTER: RecordRule(
            matter=Matter.REPORTS, is_of_post=True, names=(NamedField("post", _SUBJECT),)
        ),
        record.HANDOVER: _HANDOVER,
        record.HANDOVER_TAKEN: _HANDOVER,
        record.SEEDS_COMMITTED: _JOURNAL,
        record.SHIFT_OPENED: _JOURNAL,
        record.SHIFT_CLOSED: _JOURNAL,
        record.PERCENTILES: _JOURNAL,
        **rule_steps(
            "profile",
            {
                "proposed": record.PROFILE_PROPOSED,
                "noticed": record.PROFILE_NOTICED,
                "backtested": record.PROFILE_BACKTESTED,
                "approved": record.PROFILE_APPROVED,
                "leaving": record.PROFILE_LEAVING,
                "left": record.PROFILE_LEFT,
            },
            matter=Matter.PROFILES,
            names=(NamedField("profile", _SUBJECT, is_made=True),),
        ),
        record.PROFILE_COUNTED: _PROFILE,
        record.PROFILE_FAILED: RecordRule(
            matter=Matter.PROFILES, events=raise_fault, is_frequent=True
        ),
        record.RULE_REVIEWED: RecordRule(matter=Matter.PROFILES, owners=_own_rule),
        record.POLICY_DECLARED: RecordRule(matter=Matter.POLICY, names=_POLICY_NAMED),
        **rule_steps(
            "policy",
            {"proposed": record.POLICY_PROPOSED, "approved": record.POLICY_APPROVED},
            matter=Matter.POLICY,
            names=_POLICY_NAMED,
        ),
        **rule_steps(
            "watchlist",
            {
                "proposed": record.WATCHLIST_PROPOSED,
                "noticed": record.WATCHLIST_NOTICED,
                "backtested": record.WATCHLIST_BACKTESTED,
                "approved": record.WATCHLIST_APPROVED,
                "leaving": record.WATCHLIST_LEAVING,
                "left": record.WATCHLIST_LEFT,
            },
            waiting=("proposed", "noticed", "leaving"),
            matter=Matter.WATCHLIST,
            names=(NamedField("watchlist", _SUBJECT, is_made=True),),
            is_of_subject=True,
            group=_group_by_entry,
        ),
        **rule_steps(
            "known_lawful",
            {
                "proposed": record.KNOWN_LAWFUL_PROPOSED,
                "approved": record.KNOWN_LAWFUL_APPROVED,
                "leaving": record.KNOWN_LAWFUL_LEAVING,
                "left": record.KNOWN_LAWFUL_LEFT,
            },
            **_LAWFUL,
        ),
        record.KNOWN_LAWFUL_SUSPENDED: RecordRule(
            step=("known_lawful", "suspended"), events=_list_suspension_events, **_LAWFUL
        ),
        record.MODEL_REGISTERED: _GOVERNING_MODEL,
        record.MODEL_SHADOWED: RecordRule(matter=Matter.MODELS, events=await_approval("model")),
        record.MODEL_APPROVED: _GOVERNING_MODEL,
        record.MODEL_IN_FORCE: _GOVERNING_MODEL,
        record.MODEL_RETIRED: _GOVERNING_MODEL,
        record.MODEL_CHALLENGED: _MODEL,
        record.SHADOW_SCORES: _MODEL,
        record.DRIFT_MEASURED: RecordRule(matter=Matter.MODELS, events=_list_drift_events),
        record.TRIAL_MEASURED: _MODEL,
        record.HISTORY_LOADED: _JOURNAL,
        record.HISTORY_ERASED: _JOURNAL,
        record.LOAD_BEGUN: _JOURNAL,
        record.NETWORK_DECLARED: _JOURNAL,
        record.KEY_CREATED: _MADE,
        record.KEY_REVOKED: _ACCOUNT,
        record.USER_CREATED: _MADE,
        record.USER_LEFT: _MADE,
        record.PASSWORD_CHANGED: _MADE,
        record.SIGNED_IN: _ACCOUNT,
        record.SIGNED_OUT: _ACCOUNT,
        **rule_steps(
            "agencies",
            {"proposed": record.AGENCIES_PROPOSED, "approved": record.AGENCIES_APPROVED},
            matter=Matter.PEOPLE,
        ),
        **rule_steps(
            "oidc",
            {"proposed": record.OIDC_PROPOSED, "approved": record.OIDC_APPROVED},
            matter=Matter.PEOPLE,
        ),
        record.OIDC_GRANTED: _LATER,
        record.OIDC_LINKED: _LATER,
        **rule_steps(
            "account",
            {"proposed": record.ACCOUNT_PROPOSED},
            matter=Matter.PEOPLE,
            owners=_own_account,
        ),
        **rule_steps(
            "account", {"approved": record.ACCOUNT_APPROVED}, matter=Matter.PEOPLE, hidden=_SUMMED
        ),
        record.ACCOUNT_WITHDRAWN: _LATER,
        record.SECRETS_DROPPED: _LATER,
        record.SENSITIVE_READ: RecordRule(group=group_alone, is_frequent=True),
        record.JOURNAL_VERIFIED: _JOURNAL,
    },
    tables={
        "journal": TableRule(
            kept="kinds, times, identifiers of crossings and hashes: what the chain commits to",
            not_compared="walked itself, record by record",
        ),
        "journal_bodies": TableRule(erased_by=("seq",), not_compared="walked with the journal"),
        "journal_identity": TableRule(
            kept="the name of the journal",
            not_compared="its name is part of every chain value; nothing reads when it was made",
        ),
        "clock_anchors": TableRule(
            kept="times alone",
            not_compared="no projection: the time since a machine started, which no record holds",
        ),
        "copied_records": TableRule(
            kept="numbers, times and chain values of records of a post's node"
        ),
        "answers": TableRule(erased_by=("seq",), blanked={"fingerprint": b""}),
        "decisions": TableRule(erased_by=("seq",), blanked={"plate": ""}),
        "record_identifiers": TableRule(
            erased_by=("seq",),
            identity=("text", "sort", "kind", "seq"),
            shown=("sort", "kind", "seq"),
        ),
        "reviews": _BY_RECORD,
        "reason_verdicts": _BY_RECORD,
        "acts": _BY_RECORD,
        "corrections": _BY_RECORD,
        "takings": _BY_RECORD,
        "pending_finds": _BY_RECORD,
        "documents_asked": _BY_RECORD,
        "profile_matches": _BY_RECORD,
        "mirror_alerts": _BY_RECORD_OR_DECISION,
        "mirror_keys": TableRule(
            erased_by=("decision_id",),
            identity=("post", "kind", "value", "known_at"),
            shown=("kind", "decision_id"),
        ),
        "advance_declarations": _BY_RECORD,
        "advance_keys": _BY_RECORD,
        "advance_uses": _BY_RECORD_OR_DECISION,
        "advance_alerts": _BY_RECORD_OR_DECISION,
        "decided_keys": _BY_RECORD,
        "act_minutes": TableRule(kept="sums by class of vehicle"),
        "profile_counts": TableRule(kept="sums by profile"),
        "rosters": TableRule(
            kept="minutes and teams of a shift", json_columns=frozenset({"teams", "equipment"})
        ),
        "shifts": TableRule(kept="times and seeds"),
        "percentile_tables": TableRule(kept="quantiles of a shift"),
        "access_keys": _CREDENTIALS,
        "key_uses": TableRule(
            kept="counts and times", not_compared="no projection: how keys were used"
        ),
        "session_uses": TableRule(
            kept="times alone", not_compared="no projection: when sessions were last used"
        ),
        "users": _CREDENTIALS,
        "sessions": TableRule(
            kept="credentials of the service's users, which records state",
            identity=("signed_in_at",),
            shown=("signed_in_at", "name"),
        ),
        "passages": TableRule(erased_by=("crossing_id",), blanked={"plate_key": 0}),
        "searched_places": _BY_CROSSING,
        "seized_goods": _BY_RECORD,
        "spread_crossings": _BY_CROSSING,
        "spread_finds": _BY_CROSSING,
        "spread_head": TableRule(kept="one time"),
        "counters": _SUMS,
        "links": _SUMS,
        "place_counts": _SUMS,
        "loaded_parties": _SUMS,
        "counter_log": TableRule(
            is_counted=True,
            not_compared="its rows are compared with those of counters, which they are written to "
            "later",
        ),
        "counter_merge": TableRule(
            kept="times, and digests of what is counted",
            not_compared="no projection: how far that is",
        ),
        "counter_epoch": TableRule(kept="digests of files"),
        "loaded_reports": TableRule(
            kept="identifiers of loaded acts and seizures, so that none counts twice"
        ),
    },
)
