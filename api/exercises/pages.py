"""Pages of a training home: exercises, picks, debriefings, figures, certificates.

Trainees see exercises and their own results; who runs the programme (administrators of the home)
sees those of all. What a vehicle hides is read only once its exercise is closed.
"""

import csv
import io
from dataclasses import replace
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.auth.sessions import token_of
from api.decisions.vehicle_drawing import draw_vehicle
from api.exercises.certificates import (
    find_certificate,
    list_certificates,
    make_certificate,
    sign_certificate,
)
from api.exercises.desk import Attempt, ExerciseRuntime
from api.http.dependencies import running_service
from api.web.forms import FormError, FormReader, corrections
from api.web.i18n import N_
from api.web.menu import MenuLink
from api.web.messages import MessageReader, TranslatedText
from api.web.page_route import PageRoute, Visit
from api.web.visitor import Form, Visitor, identify, read_field, sent_form
from engine.domain.field_types import Identifier
from engine.domain.rights import Role
from engine.errors import ConflictError, NotAllowedError, NotFoundError
from engine.journal.receipts import open_signer
from experiments.exercises import STOP_MINUTES, Case, Exercise, Pick, Sentence, find

router = APIRouter(route_class=PageRoute, include_in_schema=False)
PLACE_ROWS = 6
"""Places that the form of a vehicle offers to search, in their order."""
MOST_TAUGHT = 3
"""Missed vehicles that a debriefing goes through, sign by sign."""
LABELS = {
    f"{name}-{row}": text
    for row in range(1, PLACE_ROWS + 1)
    for name, text in (("place", N_("Place")), ("minutes", N_("Minutes")))
}
PDF = "application/pdf"


TheService = Annotated[ExerciseRuntime, Depends(running_service)]


async def trainee_of(request: Request, service: TheService) -> Visit:
    """Return the visit of a person who is signed in; raises ``NotAuthenticatedError``."""
    return Visit(request, await identify(request, service))


TheTrainee = Annotated[Visit, Depends(trainee_of)]


async def leader_of(visit: TheTrainee) -> Visit:
    """Return the visit of a person who runs the programme; raises ``NotAllowedError``."""
    if not is_leader(visit.visitor):
        raise NotAllowedError("only who runs the programme may see this")
    return visit


TheLeader = Annotated[Visit, Depends(leader_of)]


async def form_of(request: Request, service: TheService, _: TheTrainee) -> Form:
    """Return the fields of a form that a visitor sent from a page of ours."""
    return await sent_form(request, service, token_of(request))


TheForm = Annotated[Form, Depends(form_of)]
ExerciseName = Annotated[Identifier, Path()]
Language = Annotated[Literal["en", "ru", "uz", "tg"] | None, Query()]


def is_leader(visitor: Visitor) -> bool:
    """Tell whether a person runs the programme."""
    return visitor.caller.role is Role.ADMINISTRATOR


def list_menu(visitor: Visitor | None, path: str) -> list[MenuLink]:
    """Return what the menu of a training page offers."""
    if visitor is None:
        return []
    known = [(N_("Exercises"), "/"), (N_("My skill"), "/skill")]
    known += [(N_("Figures of the programme"), "/figures")] if is_leader(visitor) else []
    return [
        MenuLink(text, to, path == to or (to == "/" and path.startswith("/exercises/")))
        for text, to in known
    ]


@router.get("/")
def show_course(visit: TheTrainee, service: TheService) -> Response:
    """Show the exercises of the course, and how far the visitor is."""
    rows: list[dict[str, Any]] = []
    for name, body in service.desk.list_exercises():
        attempt = service.desk.read_attempt(name, visit.visitor.caller.name)
        left = _count_minutes_left(body["minutes"], attempt)
        rows.append({"name": name, "left": left, "attempt": attempt} | body)
    return visit.page(
        "training_course.html", rows=rows, closed=sum(one["attempt"].is_closed for one in rows)
    )


@router.get("/exercises/{name}")
def show_exercise(
    visit: TheTrainee,
    service: TheService,
    name: ExerciseName,
    post: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """Show the vehicles of an exercise, by their arrival; of one post where it is named."""
    exercise = service.desk.read_exercise(name)
    cases = sorted(exercise.cases, key=lambda one: str(one.arrival["crossing"]["arrived_at"]))
    attempt = service.desk.read_attempt(name, visit.visitor.caller.name)
    return visit.page(
        "training_exercise.html",
        exercise=exercise,
        cases=[one for one in cases if post in ("", one.arrival["crossing"]["post"])],
        posts=sorted({one.arrival["crossing"]["post"] for one in cases}),
        at_post=post,
        attempt=attempt,
        picked={one.crossing_id: one for one in attempt.picks},
        left=_count_minutes_left(exercise.minutes, attempt),
        sentence=_Words(visit).sentence,
        stop_minutes=STOP_MINUTES,
    )


@router.get("/exercises/{name}/vehicles/{crossing_id}")
def show_vehicle(
    visit: TheTrainee, service: TheService, name: ExerciseName, crossing_id: Identifier
) -> Response:
    """Show one vehicle as an officer sees it, with the form that picks it."""
    return _vehicle_page(visit, service, name, crossing_id)


@router.post("/exercises/{name}/vehicles/{crossing_id}")
def pick_vehicle(
    visit: TheTrainee,
    service: TheService,
    form: TheForm,
    name: ExerciseName,
    crossing_id: Identifier,
) -> Response:
    """Record a pick: it is final."""
    exercise, person = service.desk.read_exercise(name), visit.visitor.caller.name
    case = _case_of(exercise, crossing_id)
    attempt = service.desk.read_attempt(name, person)
    if attempt.is_closed:
        raise ConflictError("exercise", name, "you have closed it already")
    try:
        pick = _read_pick(FormReader(form, visit.speech), case, exercise, attempt)
    except FormError as error:
        return _vehicle_page(visit, service, name, crossing_id, kept=form, error=error)
    service.desk.record_picks(name, person, [pick])
    return RedirectResponse(f"/exercises/{quote(name, safe='')}?done=picked#v-{crossing_id}", 303)


@router.post("/exercises/{name}/close")
def close(visit: TheTrainee, service: TheService, form: TheForm, name: ExerciseName) -> Response:
    """End an exercise, once its trainee has confirmed that it is over."""
    where = f"/exercises/{quote(name, safe='')}"
    if read_field(form, "sure") != "yes":
        return RedirectResponse(f"{where}?done=unsure#close", 303)
    service.desk.close(name, visit.visitor.caller.name)
    return RedirectResponse(f"{where}/debriefing", 303)


@router.get("/exercises/{name}/debriefing")
def show_debriefing(visit: TheTrainee, service: TheService, name: ExerciseName) -> Response:
    """Show how an exercise went, next to the engine, chance and the best possible."""
    person, words = visit.visitor.caller.name, _Words(visit)
    found = service.desk.debrief(name, person)
    exercise, attempt = service.desk.read_exercise(name), service.desk.read_attempt(name, person)
    answers = service.desk.read_solution(attempt).answers
    picks = [
        {"pick": one, "case": (case := exercise.case(one.crossing_id)),
         "found": find(case, answers[one.crossing_id], one.places),
         "answer": answers[one.crossing_id]}
        for one in attempt.picks
    ]  # fmt: skip
    cases = {one.crossing_id: one for one in exercise.cases}
    signs = [
        (one, [*map(words.reason, one["reasons"][:3])]
         or [*map(words.sentence, cases[one["crossing_id"]].facts[:2])])
        for one in found["missed"]
    ]  # fmt: skip
    return visit.page(
        "training_debriefing.html",
        found=found,
        picks=picks,
        cases=cases,
        shown=[(one, why) for one, why in signs if why][:MOST_TAUGHT],
    )


@router.get("/skill")
def show_skill(visit: TheTrainee, service: TheService) -> Response:
    """Show the visitor's skill over all exercises that they have closed."""
    try:
        found = service.desk.measure(visit.visitor.caller.name)
    except NotFoundError:
        found = None
    is_finished = found is not None and len(found["exercises"]) == len(
        service.desk.list_exercises()
    )
    return visit.page("training_skill.html", found=found, is_finished=is_finished)


@router.get("/certificate.pdf")
def certificate(visit: TheTrainee, service: TheService, language: Language = None) -> Response:
    """Return the visitor's certificate of the course."""
    return _certificate_file(visit, service, visit.visitor.caller.name, language)


@router.get("/figures")
def show_figures(
    visit: TheLeader, service: TheService, digest: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Show the figures of all trainees, their certificates, and what a digest belongs to."""
    checked = None
    if digest:
        try:
            checked = find_certificate(service.desk, digest)
        except NotFoundError:
            checked = None
    return visit.page(
        "training_figures.html",
        rows=service.desk.list_figures(),
        certificates=list_certificates(service.desk),
        asked_digest=digest,
        checked=checked,
    )


@router.get("/figures.csv")
def figures_file(visit: TheLeader, service: TheService) -> Response:
    """Return the figures of all trainees as CSV."""
    rows, out = service.desk.list_figures(), io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
    heads = {"Content-Disposition": 'attachment; filename="figures.csv"'}
    return Response(out.getvalue(), media_type="text/csv", headers=heads)


@router.get("/certificates/{person}")
def certificate_of(
    visit: TheLeader, service: TheService, person: Identifier, language: Language = None
) -> Response:
    """Return the certificate of a trainee, for who runs the programme."""
    return _certificate_file(visit, service, person, language)


def _certificate_file(
    visit: Visit, service: ExerciseRuntime, person: str, language: str | None
) -> Response:
    from api.exercises.certificates import write_certificate

    made = make_certificate(service.desk, person)
    speech = replace(visit.speech, code=language or visit.speech.code)
    named = {"Content-Disposition": f'attachment; filename="certificate-{made.digest[:16]}.pdf"'}
    signed = sign_certificate(made, open_signer(service.home))
    return Response(write_certificate(signed, speech), media_type=PDF, headers=named)


def _vehicle_page(
    visit: Visit,
    service: ExerciseRuntime,
    name: str,
    crossing_id: str,
    *,
    kept: Form | None = None,
    error: FormError | None = None,
) -> Response:
    exercise, words = service.desk.read_exercise(name), _Words(visit)
    attempt = service.desk.read_attempt(name, visit.visitor.caller.name)
    case = _case_of(exercise, crossing_id)
    known = [one for one in attempt.picks if one.crossing_id == crossing_id]
    wrong = corrections(() if error is None else error.mistakes, visit.speech, names=LABELS)
    return visit.page(
        "training_vehicle.html",
        status=200 if error is None else 422,
        exercise=exercise,
        attempt=attempt,
        case=case,
        pick=known[0] if known else None,
        left=_count_minutes_left(exercise.minutes, attempt),
        stop_minutes=STOP_MINUTES,
        rows=range(1, PLACE_ROWS + 1),
        drawing=draw_vehicle(case.arrival["crossing"]["vehicle_class"], ()),
        numbers={one[0]: at for at, one in enumerate(known[0].places, 1)} if known else {},
        sentence=words.sentence,
        kept={at: list(values) for at, values in (kept or {}).items()},
        wrong=wrong,
        linkless=("once", "", "places"),
    )


def _case_of(exercise: Exercise, crossing_id: str) -> Case:
    for one in exercise.cases:
        if one.crossing_id == crossing_id:
            return one
    raise NotFoundError("vehicle", crossing_id)


def _count_minutes_left(minutes: float, attempt: Attempt) -> float:
    return minutes - sum(one.minutes for one in attempt.picks)


def _read_pick(reader: FormReader, case: Case, exercise: Exercise, attempt: Attempt) -> Pick:
    """Return the pick that a form makes; raises ``FormError`` with all that is wrong."""
    places = [
        found
        for row in range(1, PLACE_ROWS + 1)
        if (found := _read_place(reader, case, exercise, row)) is not None
    ]
    pick = Pick(case.crossing_id, tuple(places))
    names = [place for place, _ in places]
    if not names and not reader.mistakes:
        reader.refuse("place-1", "no_place")
    if len(set(names)) < len(names):
        reader.refuse("places", "place_twice")
    if any(one.crossing_id == case.crossing_id for one in attempt.picks):
        reader.refuse("places", "picked")
    elif pick.minutes > _count_minutes_left(exercise.minutes, attempt):
        reader.refuse("places", "few_minutes")
    if reader.mistakes:
        raise FormError(*reader.mistakes)
    return pick


def _read_place(
    reader: FormReader, case: Case, exercise: Exercise, row: int
) -> tuple[str, float] | None:
    """Return a place with its minutes, the usual ones where none are typed."""
    place, minutes = reader.text(f"place-{row}"), reader.number(f"minutes-{row}")
    if not place:
        return None
    if place not in case.places:
        reader.refuse(f"place-{row}", "not_offered")
        return None
    if minutes is not None and not 0 < minutes <= exercise.minutes:
        reader.refuse(f"minutes-{row}", "greater_than" if minutes <= 0 else "too_large")
    return place, case.places[place] if minutes is None else minutes


class _Words:
    """Says what an exercise and its solution hold, in the visitor's language."""

    def __init__(self, visit: Visit) -> None:
        self._reader = MessageReader(visit.speech)

    def sentence(self, one: Sentence) -> TranslatedText:
        """Return a fact."""
        return self._reader.fact(one)

    def reason(self, one: Sentence) -> TranslatedText:
        """Return a reason."""
        return self._reader.reason(one)
