"""Forms of a decision's page, recorded through the same records as the JSON routes.

Each form carries a number of its own, made with its page: sent twice, it counts once. A form is
read whole before any of it is recorded; an act with numbers is shown as it was read before it is.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends

from api.auth.callers import Caller
from api.decisions.reads import DecisionReader, first_words
from api.http.dependencies import TheService
from api.http.guards import fill_agency, post_of
from api.http.request_bodies import ReportedAct
from api.service.runtime import Runtime
from api.web.form_fields import FormReader, TheReader
from api.web.page_route import TheVisit
from engine.domain.records import Seizure
from engine.journal.idempotency import claim, find_holders, inspection_name, seizure_name
from engine.journal.kinds import DECISION, INSPECTION, RELEASE, REVIEW, SEIZURE
from engine.queue.queue import QueuedDecision
from engine.queue.reviews import AGREED, Review, Reviewer
from engine.queue.takings import TakingRequest
from engine.selection.team_assignment import Handling
from engine.targeting.reports import ExplainedRelease

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


@dataclass(frozen=True, slots=True)
class DecisionForm:
    """A form about one decision; each step raises ``FormError`` where a rule is broken."""

    service: Runtime
    caller: Caller
    known: QueuedDecision
    reader: FormReader

    def review(self) -> None:
        """Record a verdict."""
        reader, known, caller = self.reader, self.known, self.caller
        once, fields = reader.once(), reader.texts("verdict", "channel", "reason_code", "reason")
        if fields.get("verdict") == "uphold":
            fields.setdefault("reason_code", AGREED)
            if fields.pop("channel", None):
                reader.refuse("verdict", "agreed_elsewhere")
        made = reader.finish(reader.record(Review, fields))
        name = f"{REVIEW}:form:{known.decision_id}:{once}"
        asked = claim(REVIEW, made, post=known.post, name=name)
        by = Reviewer(caller.person, caller.is_person, caller.agency)
        may_second = first_words(self.service.accounts, caller)
        self.service.recording.review(known, made, asked, by=by, may_second=may_second)

    def read_act(self) -> FiledAct:
        """Return what an act's form says; records nothing."""
        reader = self.reader
        once, outcome = reader.once(), reader.text("outcome")
        minutes, quantity = reader.number("minutes"), reader.number("quantity_g")
        team = self._read_team()
        shared = {"crossing_id": self.known.crossing_id, "recorded_at": datetime.now(UTC)}
        fields = {"inspection_id": f"act-{once}", "outcome": outcome} | shared
        fields |= {name: reader.every(name) for name in ("methods", "places_searched")}
        act, seizure = reader.record(ReportedAct, fields | {"minutes": minutes}), None
        if outcome == "seizure":
            goods: dict[str, Any] = reader.texts(*_SEIZED) | {"quantity_g": quantity}
            seizure = reader.record(
                Seizure,
                shared | goods | {"seizure_id": f"sz-{once}", "inspection_id": f"act-{once}"},
            )
        elif any(reader.text(name) for name in _SEIZED):
            reader.refuse("outcome", "seized_without_seizure")
        return FiledAct(reader.finish(act), seizure, team)

    def report(self) -> None:
        """File an inspection act and, where the form names one, a seizure."""
        service, caller, filed = self.service, self.caller, self.read_act()
        act, seizure = filed.act, filed.seizure
        if seizure is not None:
            post_of(service.recording, caller.enter("POST", "/v1/seizures"), act.crossing_id)
        act_name = inspection_name(act.inspection_id)
        find_name = seizure_name(act.inspection_id.replace("act-", "sz-", 1))
        with service.store.read() as snapshot:  # sent twice, it differs in its time alone
            done = find_holders(snapshot, [act_name, find_name])
        if act_name not in done:
            asked = claim(INSPECTION, act, post=self.known.post, name=act_name)
            by = Handling(caller.person, filed.team)
            service.recording.inspection(fill_agency(caller, act), asked, said=None, by=by)
        if seizure is not None and find_name not in done:
            asked = claim(SEIZURE, seizure, post=self.known.post, name=find_name)
            seizure = fill_agency(caller, seizure)
            service.recording.seizure(seizure, asked, person=caller.person, within=caller.post)

    def release(self) -> None:
        """Record that a vehicle left without inspection, and why."""
        known, fields = self.known, self.reader.texts("reason_code", "reason")
        fields |= {"crossing_id": known.crossing_id}
        content = self.reader.finish(self.reader.record(ExplainedRelease, fields))
        asked = claim(RELEASE, content, post=known.post, name=f"{RELEASE}:{known.crossing_id}")
        by = Handling(self.caller.person, agency=self.caller.agency)
        self.service.recording.release(content, asked, by=by)

    def take(self) -> None:
        """Record that its sender takes the vehicle, from another where the form names that."""
        over = self.reader.text("over")
        taking = TakingRequest(over=int(over) if over.isdecimal() else None)
        self._hold(taking)

    def give_back(self) -> None:
        """Record that its sender gives the vehicle back."""
        self._hold(None)

    def _hold(self, taking: TakingRequest | None) -> None:
        known, minutes = self.known, self.service.settings.taken_minutes
        by = Handling(self.caller.person, agency=self.caller.agency)
        self.service.recording.hold(
            taking, known.crossing_id, post=known.post, by=by, minutes=minutes
        )

    def _read_team(self) -> str | None:
        """Return who did it, where the form says so: one of those on when it was decided."""
        team = self.reader.text("team")
        if not team:
            return None
        with self.service.store.read() as snapshot:
            inputs = self.service.journal.body(snapshot, self.known.seq, of=DECISION)["inputs"]
        if team not in inputs["teams"]:
            self.reader.refuse("team", "unknown_enumeration")
        return team


def decision_form(
    visit: TheVisit, service: TheService, reader: TheReader, decision_id: str
) -> DecisionForm:
    """Return the form that a visitor sent; raises ``NotFoundError``."""
    known = DecisionReader(service, visit.caller).locate(decision_id)
    return DecisionForm(service, visit.caller, known, reader)


TheDecisionForm = Annotated[DecisionForm, Depends(decision_form)]
