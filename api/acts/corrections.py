"""Corrections of acts and seizures, and the page by which an act is stated again.

The form begins with what is stated now, and is shown as it was read before it is recorded. What was
seized is recorded first: if a find would be taken back by a person who may not do so, nothing of
the form is recorded.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from api.auth.callers import Caller
from api.decisions.find_forms import (
    add_find,
    add_places,
    end_of,
    read_assessment,
    read_finds,
    state_finds,
)
from api.decisions.page import ANOTHER, LABELS, STEP, render_page, repeat_fields
from api.decisions.page_data import DecisionPage, read_page
from api.http.access import fill_agency, post_of
from api.http.dependencies import TheService
from api.service.runtime import Runtime
from api.web.forms import FieldMistake, FormError, FormReader, TheReader, corrections
from api.web.i18n import ReaderLocale
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.templates_env import speech_of
from api.web.visitor import TheForm
from engine.criteria.policy import read_goods_classes
from engine.domain.records import Seizure
from engine.domain.rights import Role
from engine.errors import ConflictError, NotAllowedError, NotFoundError
from engine.journal.batch_worker import StoredRecord
from engine.journal.idempotency import claim, seizure_name
from engine.journal.kinds import (
    CORRECTION_ASKED,
    INSPECTION_CORRECTED,
    SEIZURE,
    SEIZURE_CORRECTED,
)
from engine.queue.corrections import (
    ActCorrection,
    CorrectionRequest,
    Corrector,
    SeizureCorrection,
    StatedReport,
    draft_act_correction,
    draft_correction_request,
    draft_seizure_correction,
    read_stated_act,
    read_stated_seizure,
    sort_codes,
)


def correct_act(
    service: Runtime,
    caller: Caller,
    inspection_id: str,
    correction: ActCorrection,
    key: str | None = None,
) -> StoredRecord:
    """Record a correction of an act.

    Raises ``NotFoundError``, ``ConflictError`` where nothing would change, and ``NotAllowedError``.
    """
    with service.store.read() as snapshot:
        known = read_stated_act(snapshot, inspection_id)
    _check_reach(caller, known, "inspection")
    asked = known.claim(correction, INSPECTION_CORRECTED, key=caller.own(key))
    by = _corrector(service, caller)
    return service.recording.once_here(
        asked,
        lambda snapshot: draft_act_correction(
            read_stated_act(snapshot, inspection_id), correction, asked, by=by
        ),
    )


def correct_seizure(
    service: Runtime,
    caller: Caller,
    seizure_id: str,
    correction: SeizureCorrection,
    key: str | None = None,
) -> StoredRecord:
    """Record a correction of a seizure, or that it is withdrawn; raises the same."""
    with service.store.read() as snapshot:
        known = read_stated_seizure(snapshot, seizure_id)
    _check_reach(caller, known, "seizure")
    asked = known.claim(correction, SEIZURE_CORRECTED, key=caller.own(key))
    by = _corrector(service, caller)
    return service.recording.once_here(
        asked,
        lambda snapshot: draft_seizure_correction(
            read_stated_seizure(snapshot, seizure_id),
            correction,
            asked,
            by=by,
            classes=read_goods_classes(snapshot),
        ),
    )


def request_correction(
    service: Runtime,
    caller: Caller,
    inspection_id: str,
    request: CorrectionRequest,
    key: str | None = None,
) -> StoredRecord:
    """Ask a supervisor to correct an act; raises ``NotFoundError``."""
    with service.store.read() as snapshot:
        known = read_stated_act(snapshot, inspection_id)
    _check_reach(caller, known, "inspection")
    asked = known.claim(request, CORRECTION_ASKED, key=caller.own(key))
    return service.recording.once_here(
        asked,
        lambda snapshot: draft_correction_request(
            read_stated_act(snapshot, inspection_id), request, asked, by=caller.person
        ),
    )


def _check_reach(caller: Caller, known: StatedReport, kind: str) -> None:
    content: dict[str, Any] = known.body[kind]
    if not (caller.reaches(known.post) and caller.covers(content.get("agency"))):
        raise NotFoundError(kind, known.name)


def _corrector(service: Runtime, caller: Caller) -> Corrector:
    is_supervisor = caller.role is Role.SUPERVISOR and caller.is_person

    def may_take_back(filed_by: str) -> bool:
        return is_supervisor and service.accounts.look().are_two(filed_by, caller.person)

    return Corrector(caller.person, may_take_back, caller.agency)


@dataclass(frozen=True, slots=True)
class StatedAgain:
    """An act as a form states it again, with each find by its number in the form."""

    act: ActCorrection
    finds: Mapping[int, SeizureCorrection]
    team: None = None

    @property
    def seizures(self) -> Sequence[SeizureCorrection]:
        """The finds, as the page shows them before they are recorded."""
        return list(self.finds.values())


@dataclass(frozen=True, slots=True)
class CorrectionForm:
    """The form of one act's correction; raises ``FormError`` where a rule is broken."""

    service: Runtime
    caller: Caller
    found: DecisionPage
    reader: FormReader

    @property
    def act(self) -> Mapping[str, Any]:
        """The act as it is stated now; raises ``NotFoundError`` where none was filed."""
        if self.found.act is None:
            raise NotFoundError("inspection", "")
        return self.found.act

    @property
    def seizures(self) -> Sequence[Mapping[str, Any]]:
        """What is stated as seized."""
        return () if self.found.filed is None else self.found.filed.seizures

    def read(self) -> StatedAgain:
        """Return what the form says; records nothing."""
        reader, outcome = self.reader, self.reader.text("outcome")
        reader.once()
        reason = reader.texts("reason")
        fields = {"outcome": outcome, "minutes": reader.number("minutes")} | reason
        fields |= {name: reader.every(name) for name in ("methods", "places_searched")}
        act = reader.record(ActCorrection, fields | read_assessment(reader))
        finds: dict[int, SeizureCorrection] = {}
        if outcome == "seizure":
            with self.service.store.read() as snapshot:
                classes = read_goods_classes(snapshot)
            finds = read_finds(reader, classes, SeizureCorrection, about=lambda _: reason)
        stated = reader.finish(act)
        places = add_places(stated.places_searched, finds.values())
        return StatedAgain(stated.model_copy(update=places), finds)

    def ask(self) -> None:
        """Ask a supervisor to record what this person may not."""
        reader = self.reader
        once, fields = reader.once(), reader.texts("reason", "unit")
        fields |= {"amount": reader.number("amount")}
        request = reader.finish(reader.record(CorrectionRequest, fields))
        request_correction(self.service, self.caller, self.act["inspection_id"], request, once)

    def check(self, stated: StatedAgain) -> None:
        """Refuse at its field what takes a second person, before it is shown as read."""
        by = _corrector(self.service, self.caller)
        with self.service.store.read() as snapshot:
            classes = read_goods_classes(snapshot)
            for number, name, correction in self._restate(stated):
                known = read_stated_seizure(snapshot, name)
                asked = known.claim(correction, SEIZURE_CORRECTED, key=None)
                at = "outcome" if correction.withdrawn else f"amount{end_of(number)}"
                with suppress(ConflictError), _refused_at(at):
                    draft_seizure_correction(known, correction, asked, by=by, classes=classes)
            known = read_stated_act(snapshot, self.act["inspection_id"])
            asked = known.claim(stated.act, INSPECTION_CORRECTED, key=None)
            with suppress(ConflictError), _refused_at("outcome"):
                draft_act_correction(known, stated.act, asked, by=by)

    def _restate(self, stated: StatedAgain) -> Iterator[tuple[int, str, SeizureCorrection]]:
        """Yield the number, the name and the correction of each find that was stated before.

        A find of which the form states nothing is withdrawn.
        """
        withdrawn = SeizureCorrection(withdrawn=True, reason=stated.act.reason)
        for number, one in enumerate(self.seizures, 1):
            yield number, one["seizure_id"], stated.finds.get(number, withdrawn)

    def correct(self) -> None:
        """Record what the form changes."""
        stated, once = self.read(), self.reader.once()
        with _refused_at("outcome"):
            changed = self._correct_seizures(stated, once)
            changed |= self._correct_act(stated, once)
        for number, find in stated.finds.items():
            if number > len(self.seizures):
                self._seize(find, f"{once}{end_of(number)}")
                changed = True
        if not changed:
            raise FormError(FieldMistake("outcome", "unchanged"))

    def _correct_act(self, stated: StatedAgain, once: str) -> bool:
        try:
            name = self.act["inspection_id"]
            correct_act(self.service, self.caller, name, stated.act, f"{once}-act")
        except ConflictError:
            return False
        return True

    def _correct_seizures(self, stated: StatedAgain, once: str) -> bool:
        caller = self.caller.enter("POST", "/v1/seizures/{seizure_id}/corrections")
        changed = False
        for _, name, correction in self._restate(stated):
            try:
                correct_seizure(self.service, caller, name, correction, f"{once}-{name}")
                changed = True
            except ConflictError:
                continue
        return changed

    def _seize(self, stated: SeizureCorrection, once: str) -> None:
        """Report what the first statement did not say was seized."""
        caller = self.caller.enter("POST", "/v1/seizures")
        post = post_of(self.service.recording, caller, self.act["crossing_id"])
        goods = stated.model_dump(exclude={"withdrawn", "reason"}, exclude_none=True)
        goods |= {name: self.act[name] for name in ("inspection_id", "crossing_id")}
        goods |= {"seizure_id": f"sz-{once}", "recorded_at": datetime.now(UTC)}
        seizure = fill_agency(caller, Seizure.model_validate(goods))
        asked = claim(SEIZURE, seizure, post=post, name=seizure_name(seizure.seizure_id))
        self.service.recording.seizure(seizure, asked, person=caller.person, within=caller.post)


@contextmanager
def _refused_at(field: str) -> Iterator[None]:
    """Say at a field that a second person is needed."""
    try:
        yield
    except NotAllowedError as error:
        if error.cause != "second_person":
            raise
        raise FormError(FieldMistake(field, "second_person")) from None


def list_stated(found: DecisionPage, speech: ReaderLocale) -> dict[str, list[str]]:
    """Return the fields of the form as they are stated now, in the reader's own numbers."""
    act: Mapping[str, Any] = found.act or {}
    seizures = () if found.filed is None else found.filed.seizures
    fields = {name: act.get(name) for name in ("outcome", "minutes", "duty_assessed", "currency")}
    fields |= state_finds(seizures)
    shown = {
        name: [speech.number(value, 6) if isinstance(value, float) else str(value)]
        for name, value in fields.items()
        if value is not None
    }
    groups = "methods", "places_searched", "discrepancy_kinds"
    return shown | {name: list(act.get(name) or ()) for name in groups}


def correction_form(
    visit: TheVisit, service: TheService, reader: TheReader, decision_id: str
) -> CorrectionForm:
    """Return the form that a visitor sent; raises ``NotFoundError``."""
    found = read_page(service, decision_id, visit.caller)
    return CorrectionForm(service, visit.caller, found, reader)


TheCorrectionForm = Annotated[CorrectionForm, Depends(correction_form)]


router = APIRouter(prefix="/decisions", route_class=PageRoute, include_in_schema=False)
FORM = "correction.html"
ASK = "ask"
"""Step of the form that asks a supervisor to record it."""


def _refuse(visit: Visit, form: TheForm, sent: CorrectionForm, error: FormError) -> Response:
    """Show the form again, with a way on where another person has to record it."""
    again: dict[str, Any] = {
        "kept": form,
        "wrong": corrections(error.mistakes, visit.speech, names=LABELS),
        "template": FORM,
        "may_ask": any(one.rule == "second_person" for one in error.mistakes),
    }
    return render_page(
        visit, sent.service, str(sent.found.seen["decision_id"]), status=422, **again
    )


@router.get("/{decision_id}/correction")
def ask_correction(visit: TheVisit, service: TheService, decision_id: str) -> Response:
    """Show an act's form with what is stated now, to be stated again."""
    found = read_page(service, decision_id, visit.caller)
    if found.act is None:
        raise NotFoundError("inspection", "")
    kept = list_stated(found, speech_of(visit.request, str(found.seen["post"])))
    return render_page(visit, service, decision_id, template=FORM, kept=kept)


@router.post("/{decision_id}/correction")
def send_correction(visit: TheVisit, form: TheForm, sent: TheCorrectionForm) -> Response:
    """Record a correction; it is shown as read first."""
    step, decision_id = sent.reader.text(STEP), str(sent.found.seen["decision_id"])
    service = sent.service
    if step in ("change", ANOTHER):
        kept = add_find(form) if step == ANOTHER else form
        return render_page(visit, service, decision_id, kept=kept, template=FORM)
    done = "ask" if step == ASK else "correct"
    try:
        if step not in ("confirm", ASK):
            read = sent.read()
            sent.check(read)
            was = {
                name: value
                for name, value in sent.act.items()
                if sort_codes(value or None) != sort_codes(getattr(read.act, name, value) or None)
            }
            values: dict[str, Any] = {"read": read, "sent": repeat_fields(form), "was": was}
            return render_page(visit, service, decision_id, template="act.html", **values)
        sent.ask() if step == ASK else sent.correct()
    except FormError as error:
        return _refuse(visit, form, sent, error)
    return RedirectResponse(f"/decisions/{decision_id}?done={done}#done", 303)
