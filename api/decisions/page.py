"""The list of decisions; the page of one, its forms, and its order on paper.

Forms are recorded through the same records as the JSON routes. Each form carries a number of its
own, made with its page: sent twice, it counts once. A form is read whole before any of it is
recorded. A form that is refused comes back on its own page, with all that was typed and a sentence
at each field that needs a correction. An act with numbers is shown as it was read before it is
recorded.

The inspection order is a sheet for printing: a vehicle's papers, the places of its search order,
and a code that leads back to the page. It is the same for every reader and has neither reasons nor
figures, so that it tells no more than a checkpoint may see.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup

from api.areas import find_part, list_parts
from api.auth.callers import Caller, check_officer, list_officers
from api.decisions.find_forms import (
    CURRENCIES,
    FIND,
    add_find,
    add_places,
    count_finds,
    end_of,
    list_classes,
    read_assessment,
    read_finds,
)
from api.decisions.page_data import find_displaced, list_named, read_page
from api.decisions.panels import SHAPES, TIE_KINDS, name_tied
from api.decisions.readers import DecisionFilter, DecisionReader, first_words
from api.decisions.reason_verdicts import judge_reason
from api.http.access import fill_agency, post_of
from api.http.dependencies import TheService
from api.http.periods import Asked, AskedPost, PeriodAsked, name_days
from api.http.request_bodies import ReportedAct
from api.service.runtime import Runtime
from api.web.forms import FormError, FormReader, TheReader, corrections
from api.web.i18n import N_
from api.web.labels import TABLES
from api.web.messages import MessageReader
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.templates_env import speech_of
from api.web.visitor import TOKEN, TheForm
from engine.criteria.policy import read_goods_classes
from engine.domain.field_types import UNITS
from engine.domain.records import Outcome, Seizure
from engine.domain.time_units import moment, rfc3339
from engine.errors import ConflictError
from engine.journal.idempotency import claim, find_holders, inspection_name, seizure_name
from engine.journal.kinds import DECISION, INSPECTION, RELEASE, REVIEW, SEIZURE
from engine.queue.queue import QueuedDecision, read_plates
from engine.queue.reviews import AGREED, ReasonVerdict, Review, Reviewer, read_verdicts
from engine.queue.takings import GivingRequest, TakingRequest
from engine.selection import ChannelCode, Handling
from engine.shifts.workload import has_scanner
from engine.targeting.report_writer import ExplainedRelease


@dataclass(frozen=True, slots=True)
class FiledAct:
    """An inspection act as its form was read, with each find and who did it."""

    act: ReportedAct
    seizures: Sequence[Seizure]
    team: str | None

    @property
    def has_numbers(self) -> bool:
        """Tell whether something in it could have been misread."""
        assessed = self.act.minutes, self.act.duty_assessed
        return bool(self.seizures) or any(one is not None for one in assessed)


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
        elif fields.get("verdict") == "override":
            for name in ("channel", "reason_code", "reason"):
                if name not in fields:
                    reader.refuse(name, "missing_key")
            if fields.get("channel") == known.channel.code:
                reader.refuse("channel", "stands_there")
        made = reader.finish(reader.record(Review, fields))
        name = f"{REVIEW}:form:{known.decision_id}:{once}"
        asked = claim(REVIEW, made, post=known.post, name=name)
        by = Reviewer(caller.person, caller.is_person, caller.agency)
        may_second = first_words(self.service.accounts, caller)
        self.service.recording.review(known, made, asked, by=by, may_second=may_second)

    def judge(self) -> None:
        """Record what was said of a reason: one button names the word and the reason."""
        verdict, _, code = self.reader.text("verdict").partition(":")
        values = {"code": code, "verdict": verdict}
        made = self.reader.finish(self.reader.record(ReasonVerdict, values))
        judge_reason(self.service, self.caller, self.known.decision_id, made)

    def read_act(self) -> FiledAct:
        """Return what an act's form says; records nothing."""
        reader = self.reader
        once, outcome = reader.once(), reader.text("outcome")
        minutes, team = reader.number("minutes"), self._read_team()
        shared = {"crossing_id": self.known.crossing_id, "recorded_at": datetime.now(UTC)}
        act_id = {"inspection_id": f"act-{once}"}
        fields = act_id | {"outcome": outcome} | shared | read_assessment(reader)
        fields |= {name: reader.every(name) for name in ("methods", "places_searched")}
        act = reader.record(ReportedAct, fields | {"minutes": minutes})
        seizures: dict[int, Seizure] = {}
        if outcome == "seizure":
            with self.service.store.read() as snapshot:
                classes = read_goods_classes(snapshot)
            seizures = read_finds(
                reader,
                classes,
                Seizure,
                about=lambda number: shared | act_id | {"seizure_id": f"sz-{once}{end_of(number)}"},
            )
        elif any(reader.text(name) for name in FIND):
            reader.refuse("outcome", "seized_without_seizure")
        filed, finds = reader.finish(act), list(seizures.values())
        whole = filed.model_copy(update=add_places(filed.places_searched, finds))
        return FiledAct(whole, finds, team)

    def report(self) -> None:
        """File an inspection act and each find that the form names."""
        service, caller, filed = self.service, self.caller, self.read_act()
        act = filed.act
        if filed.seizures:
            post_of(service.recording, caller.enter("POST", "/v1/seizures"), act.crossing_id)
        act_name = inspection_name(act.inspection_id)
        names = [seizure_name(one.seizure_id) for one in filed.seizures]
        with service.store.read() as snapshot:  # sent twice, it differs in its time alone
            done = find_holders(snapshot, [act_name, *names])
        if act_name not in done:
            asked = claim(INSPECTION, act, post=self.known.post, name=act_name)
            by = Handling(caller.person, filed.team)
            service.recording.inspection(fill_agency(caller, act), asked, said=None, by=by)
        for name, seizure in zip(names, filed.seizures, strict=True):
            if name not in done:
                asked = claim(SEIZURE, seizure, post=self.known.post, name=name)
                stated = fill_agency(caller, seizure)
                service.recording.seizure(stated, asked, person=caller.person, within=caller.post)

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

    def give(self) -> None:
        """Record that a supervisor gives the vehicle to an officer."""
        fields = self.reader.texts("to", "over")
        giving = self.reader.finish(self.reader.record(GivingRequest, fields))
        check_officer(self.service.accounts.look(), giving.to, self.known.post)
        self._hold(giving)

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


router = APIRouter(prefix="/decisions", route_class=PageRoute, include_in_schema=False)

CHOICES = {
    "methods": tuple(TABLES["method"]),
    "outcomes": tuple(TABLES["outcome"]),
    "kinds": tuple(TABLES["discrepancy"]),
    "currencies": CURRENCIES,
    "units": UNITS,
    "reasons": tuple(TABLES["review"]),
    "releases": tuple(TABLES["release"]),
    "places": tuple(TABLES["place"]),
}
"""What the forms offer."""
LABELS = {"reason": N_("Explain (required)"), "channel": N_("Send to")}
"""What these forms call fields that have other names elsewhere."""
STEP = "step"
"""Field of an act's form: ``confirm`` what was shown as read, ``change`` it, or ask for the fields
of ``another`` find."""
ANOTHER = "another"


LISTED = 50
"""Decisions on a page of the list."""


@router.get("")
def list_page(
    visit: TheVisit,
    service: TheService,
    asked: Asked,
    post: AskedPost = "",
    channel: Annotated[ChannelCode | Literal[""], Query()] = "",
    outcome: Annotated[Outcome | Literal[""], Query()] = "",
    before: Annotated[int | None, Query(ge=1, lt=1 << 63)] = None,
) -> Response:
    """Show decisions of a period, a post, a channel or an outcome, the newest first."""
    stated = {"post": post, "channel": channel, "outcome": outcome}
    wanted = DecisionFilter(post=post or None, channel=channel or None, outcome=outcome or None)
    with service.store.read() as snapshot:
        now = service.journal.now(snapshot)
    if asked != PeriodAsked():
        zone = service.network.timezone(post or visit.caller.post or "")
        _, since, until = asked.place(zone, now=now)
        stated |= {"since": rfc3339(since), "until": rfc3339(until)}
        wanted = replace(wanted, since=since, until=until)
    wanted = replace(wanted, before=before)
    found = DecisionReader(service, visit.caller).list_decisions(wanted, most=LISTED)
    with service.store.read() as snapshot:
        plates = read_plates(snapshot, [one["decision_id"] for one in found["decisions"]])
    query = urlencode({name: text for name, text in stated.items() if text})
    kept = name_days(asked, post) | {"channel": channel, "outcome": outcome}
    return visit.page(
        "decisions.html",
        json_address=f"/v1/decisions?{query}" if query else "/v1/decisions",
        found=found,
        plates=plates,
        wanted=kept,
        query=urlencode({name: text for name, text in kept.items() if text}),
        before=before,
        posts=[code for code in service.network.posts if visit.caller.reaches(code)],
    )


@router.get("/{decision_id}")
def show(
    visit: TheVisit,
    service: TheService,
    decision_id: str,
    at: Annotated[Literal["report", "review", ""], Query()] = "",
) -> Response:
    """Show a decision as this visitor may see it, with the form of ``at`` open."""
    return render_page(visit, service, decision_id, at=at)


@router.post("/{decision_id}/reviews")
def send_review(visit: TheVisit, form: TheForm, sent: TheDecisionForm) -> Response:
    """Record a verdict."""
    return _step(visit, form, sent, sent.review)


@router.post("/{decision_id}/reason-verdicts")
def send_verdict(visit: TheVisit, form: TheForm, sent: TheDecisionForm) -> Response:
    """Record that a reason helped, or was wrong."""
    return _step(visit, form, sent, sent.judge)


@router.post("/{decision_id}/acts")
def send_act(visit: TheVisit, form: TheForm, sent: TheDecisionForm) -> Response:
    """File an inspection act with what was seized; one with numbers is shown as read first."""
    step, decision_id = sent.reader.text(STEP), sent.known.decision_id
    if step in ("change", ANOTHER):
        kept = add_find(form) if step == ANOTHER else form
        return render_page(visit, sent.service, decision_id, kept=kept, at="report")
    if step != "confirm":
        try:
            found = sent.read_act()
        except FormError as error:
            return _refuse(visit, form, sent, error, at="report")
        if found.has_numbers:
            values: dict[str, Any] = {"read": found, "sent": repeat_fields(form)}
            return render_page(visit, sent.service, decision_id, template="act.html", **values)
    return _step(visit, form, sent, sent.report)


@router.get("/{decision_id}/release")
def ask_release(visit: TheVisit, service: TheService, decision_id: str) -> Response:
    """Ask why a vehicle leaves without inspection, before that is recorded."""
    return render_page(visit, service, decision_id, template="release.html")


@router.post("/{decision_id}/release")
def send_release(visit: TheVisit, form: TheForm, sent: TheDecisionForm) -> Response:
    """Record that the vehicle has left without inspection, and why."""
    return _step(visit, form, sent, sent.release, template="release.html")


@router.post("/{decision_id}/takings")
def send_taking(visit: TheVisit, form: TheForm, sent: TheDecisionForm) -> Response:
    """Take the vehicle; where another person holds it, ask first whether to take it over."""
    try:
        return _step(visit, form, sent, sent.take)
    except ConflictError:
        found = DecisionReader(sent.service, visit.caller).decision(sent.known.decision_id)
        if "taken" not in found:
            raise
    decision_id = sent.known.decision_id
    return render_page(visit, sent.service, decision_id, status=409, template="take_over.html")


@router.post("/{decision_id}/assignments")
def send_giving(visit: TheVisit, form: TheForm, sent: TheDecisionForm) -> Response:
    """Give the vehicle to an officer."""
    return _step(visit, form, sent, sent.give)


@router.post("/{decision_id}/returns")
def send_return(visit: TheVisit, form: TheForm, sent: TheDecisionForm) -> Response:
    """Give the vehicle back."""
    return _step(visit, form, sent, sent.give_back)


def repeat_fields(form: TheForm) -> list[tuple[str, str]]:
    """Return the fields of a form as it was sent, to be sent again when it is confirmed."""
    return [(name, one) for name, every in form.items() if name != TOKEN for one in every]


def _step(
    visit: Visit,
    form: TheForm,
    sent: TheDecisionForm,
    take: Callable[[], None],
    *,
    template: str = "decision.html",
) -> Response:
    """Take a step, or show its form again with what needs a correction."""
    try:
        take()
    except FormError as error:
        return _refuse(visit, form, sent, error, at=take.__name__, template=template)
    return RedirectResponse(f"/decisions/{sent.known.decision_id}?done={take.__name__}#done", 303)


def _refuse(
    visit: Visit, form: TheForm, sent: TheDecisionForm, error: FormError, **more: str
) -> Response:
    """Show a form again, with all that was typed and a sentence at each field at fault."""
    wrong = corrections(error.mistakes, visit.speech, names=LABELS)
    values: dict[str, Any] = {"kept": form, "wrong": wrong, **more}
    return render_page(visit, sent.service, sent.known.decision_id, status=422, **values)


def render_page(
    visit: Visit,
    service: Runtime,
    decision_id: str,
    *,
    status: int = 200,
    template: str = "decision.html",
    kept: Mapping[str, Sequence[str]] | None = None,
    **more: Any,
) -> Response:
    """Return a page about one decision; ``kept`` are the fields of a form as they are shown."""
    found = read_page(service, decision_id, visit.caller)
    post = str(found.seen["post"])
    with service.store.read() as snapshot:
        is_scanning = has_scanner(snapshot, post, service.network)
        judged = read_verdicts(snapshot, decision_id, visit.caller.person)
        finds = [] if found.filed is None else found.filed.seizures
        named = [one["seizure_id"] for one in finds]
        find_opened = find_part("opened_cases")
        opened = {} if find_opened is None else find_opened(snapshot, named)
        classes = list_classes(read_goods_classes(snapshot), visit.speech.code)
    may_review = visit.visitor.may("POST", "/v1/decisions/{decision_id}/reviews")
    may_give = visit.visitor.may("POST", "/v1/crossings/{crossing_id}/assignments")
    is_open = may_review and not (found.act or found.has_left or found.successor)
    values: dict[str, Any] = {
        "found": found,
        "pushed": find_displaced(service, found.known) if is_open else {},
        "has_scanner": is_scanning,
        "judged": judged,
        "officers": list_officers(service.accounts.look(), post) if may_give else [],
        "opened": opened,
        "complaints": _list_complaints(visit, service, decision_id),
        "wrong": {},
        "kept": {name: list(values) for name, values in (kept or {}).items()},
        "find_ends": [end_of(number) for number in range(1, count_finds(kept or {}) + 1)],
        "classes": classes,
        "at": "",
        "once": secrets.token_hex(12),
        "choices": CHOICES,
        "retell": MessageReader(speech_of(visit.request, post)),
        "pair": service.network.pair(post),
        "shapes": SHAPES,
        "kinds": TIE_KINDS,
        "named": name_tied,
        "listed": ()
        if found.is_blind
        else list_named(
            found.crossing, found.declarations or list(filter(None, [found.declaration]))
        ),
        "json_address": f"/v1/decisions/{decision_id}",
    }
    return visit.page(template, status=status, post=post, **(values | more))


def _list_complaints(visit: Visit, service: Runtime, decision_id: str) -> list[Any]:
    """Return the complaints about a decision that a visitor may see; none without their area."""
    may_see = visit.visitor.may("GET", "/v1/complaints")
    asked: dict[str, Any] = {"asked": PeriodAsked(), "decision_id": decision_id}
    return [
        one
        for read_complaints in (list_parts("complaints") if may_see else ())
        for one in read_complaints(service, visit.caller, **asked).complaints
    ]


order_router = APIRouter(prefix="/decisions", route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class InspectionOrder:
    """What the sheet says besides what the page of the vehicle says."""

    number: str
    decision_id: str
    code: Markup
    """The QR code, as SVG."""


@order_router.get("/{decision_id}/order")
def show_order(visit: TheVisit, service: TheService, decision_id: str) -> Response:
    """Show the order as it is printed."""
    found = read_page(service, decision_id, visit.caller)
    address = f"{visit.request.base_url!s}search?{urlencode({'q': decision_id})}"
    order = InspectionOrder(
        number=f"{found.seen['post']}-{found.seen['receipt']['sequence']}",
        decision_id=decision_id,
        code=draw_code(address),
    )
    with service.store.read() as snapshot:
        now = moment(service.journal.now(snapshot))
    return visit.page("order.html", post=found.seen["post"], order=order, found=found, now=now)


@order_router.get("/{decision_id}/recomputation")
def show_recomputation(visit: TheVisit, service: TheService, decision_id: str) -> Response:
    """Show a decision with its grounds and its proof, as it is printed, and made again."""
    reading = DecisionReader(service, visit.caller)
    made, seen = reading.recompute(decision_id), reading.decision(decision_id)
    post = str(seen["post"])
    return visit.page(
        "recomputation.html",
        post=post,
        json_address=f"/v1/decisions/{decision_id}/recomputation",
        made=made,
        seen=seen,
        reviews=seen.get("reviews") or (),
        complaints=_list_complaints(visit, service, decision_id),
        retell=MessageReader(speech_of(visit.request, post)),
    )


def draw_code(address: str) -> Markup:
    """Return an address as a QR code: an SVG without a style of its own."""
    import segno

    drawn = segno.make(address, error="m", micro=False).svg_inline(scale=4, omitsize=True)
    return Markup(drawn)  # noqa: S704 - made of squares, the address is not in it as text
