"""What the forms of a decision's page record, through the same records as the JSON routes.

Each form carries a number of its own, made with its page: sent twice, it counts once. A form is
read whole before any of it is recorded; an act with numbers is shown as it was read before it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from api.auth.accounts import Accounts
from api.decisions.reads import DecisionReader, DecisionService
from api.http.guards import fill_agency
from api.http.request_bodies import ReportedAct
from api.web.form_fields import FormReader
from api.web.i18n import ReaderLocale
from api.web.labels import TABLES
from api.web.visitor import Form, Visitor
from engine.domain.records import Seizure
from engine.journal.idempotency import claim, find_holders, inspection_name, seizure_name
from engine.journal.kinds import INSPECTION, RELEASE, REVIEW, SEIZURE
from engine.queue.queue import QueuedDecision
from engine.queue.reviews import AGREED, Review, Reviewer
from engine.selection.team_assignment import Handling
from engine.targeting.reports import ExplainedRelease, Recording


class OutcomeService(DecisionService, Protocol):
    """The running service, as outcomes of decisions are recorded."""

    accounts: Accounts
    recording: Recording


NUMBERS = ("minutes", "quantity_g")
"""Fields of an act that hold a number."""
_SEIZED = ("substance_class", "substance", "quantity_g", "place", "concealment")


@dataclass(frozen=True, slots=True)
class FiledAct:
    """An inspection act as its form was read, with what was seized and who did it."""

    act: ReportedAct
    seizure: Seizure | None
    team: str | None

    @property
    def has_numbers(self) -> bool:
        """Tell whether something in it could have been misread."""
        return self.act.minutes is not None or self.seizure is not None


def review(
    service: OutcomeService, visitor: Visitor, decision_id: str, form: Form, speech: ReaderLocale
) -> None:
    """Record a verdict; raises ``FormError`` where the form breaks the record's rules."""
    known = DecisionReader(service).locate(decision_id, visitor.caller)
    reader = FormReader(form, speech)
    verdict, once = reader.text("verdict"), reader.once()
    fields = reader.texts("verdict", "channel", "reason_code", "reason")
    if verdict == "uphold":
        fields.setdefault("reason_code", AGREED)
        if fields.pop("channel", None):
            reader.refuse("verdict", "agreed_elsewhere")
    if fields.get("reason_code", AGREED) not in TABLES["review"]:
        reader.refuse("reason_code", "unknown_enumeration")
    made = reader.finish(reader.record(Review, fields))
    name = f"{REVIEW}:form:{decision_id}:{once}"
    asked = claim(REVIEW, made, post=known.post, name=name)
    by = Reviewer(visitor.caller.person, visitor.caller.is_person)
    service.recording.review(known, made, asked, by=by, is_active=service.accounts.is_active)


def read_act(
    service: OutcomeService, visitor: Visitor, decision_id: str, form: Form, speech: ReaderLocale
) -> FiledAct:
    """Return what an act's form says; raises ``FormError``, records nothing."""
    known = DecisionReader(service).locate(decision_id, visitor.caller)
    reader = FormReader(form, speech)
    once = reader.once()
    numbers = {name: reader.number(name) for name in NUMBERS}
    team = _team(service, known, reader)
    shared = {"inspection_id": f"act-{once}", "crossing_id": known.crossing_id}
    shared["recorded_at"] = datetime.now(UTC).isoformat()
    act = reader.record(ReportedAct, shared | _act(reader, numbers))
    seizure, outcome = None, reader.text("outcome")
    if outcome == "seizure":
        goods = _seizure(reader, numbers) | {"seizure_id": f"sz-{once}"}
        seizure = reader.record(Seizure, shared | goods)
    elif any(reader.text(name) for name in _SEIZED):
        reader.refuse("outcome", "seized_without_seizure")
    return FiledAct(reader.finish(act), seizure, team)


def report(
    service: OutcomeService, visitor: Visitor, decision_id: str, form: Form, speech: ReaderLocale
) -> None:
    """File an inspection act and, where the form names one, a seizure; raises ``FormError``."""
    known = DecisionReader(service).locate(decision_id, visitor.caller)
    filed = read_act(service, visitor, decision_id, form, speech)
    act, seizure, caller = filed.act, filed.seizure, visitor.caller
    act_name = inspection_name(act.inspection_id)
    find_name = seizure_name(act.inspection_id.replace("act-", "sz-", 1))
    with service.store.read() as snapshot:  # sent twice, it differs in its time alone
        done = find_holders(snapshot, [act_name, find_name])
    if act_name not in done:
        asked = claim(INSPECTION, act, post=known.post, name=act_name)
        by = Handling(caller.person, filed.team)
        service.recording.inspection(fill_agency(caller, act), asked, said=None, by=by)
    if seizure is not None and find_name not in done:
        asked = claim(SEIZURE, seizure, post=known.post, name=find_name)
        seizure = fill_agency(caller, seizure)
        service.recording.seizure(seizure, asked, person=caller.person, within=caller.post)


def release(
    service: OutcomeService, visitor: Visitor, decision_id: str, form: Form, speech: ReaderLocale
) -> None:
    """Record that a vehicle left without inspection, and why; raises ``FormError``."""
    known = DecisionReader(service).locate(decision_id, visitor.caller)
    reader = FormReader(form, speech)
    fields = reader.texts("reason_code", "reason")
    fields |= {"crossing_id": known.crossing_id}
    content = reader.finish(reader.record(ExplainedRelease, fields))
    asked = claim(RELEASE, content, post=known.post, name=f"{RELEASE}:{known.crossing_id}")
    service.recording.release(content, asked, by=Handling(visitor.caller.person))


def _team(service: OutcomeService, known: QueuedDecision, reader: FormReader) -> str | None:
    """Return who did it, where the form says so: one of those on when it was decided."""
    team = reader.text("team")
    if not team:
        return None
    with service.store.read() as snapshot:
        inputs = service.journal.body(snapshot, known.seq)["inputs"]
    if team not in (inputs.get("teams") or ()):
        reader.refuse("team", "unknown_enumeration")
    return team


def _act(reader: FormReader, numbers: Mapping[str, float | None]) -> dict[str, Any]:
    return {
        "methods": reader.every("methods"),
        "minutes": numbers["minutes"],
        "places_searched": reader.every("places_searched"),
        "outcome": reader.text("outcome"),
    }


def _seizure(reader: FormReader, numbers: Mapping[str, float | None]) -> dict[str, Any]:
    fields = reader.texts("substance_class", "substance", "place", "concealment")
    return fields | {"quantity_g": numbers["quantity_g"]}
