"""The handover of a shift for its supervisors: what is open, a note, and two signatures."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import RedirectResponse

from api.http.dependencies import TheService
from api.service.runtime import Runtime
from api.shifts.handover_views import view_balance, view_handover
from api.shifts.handovers import has_lapsed, leave_shift, take_shift
from api.shifts.reads import read_now
from api.web.field_errors import corrections
from api.web.form_fields import FieldMistake, FormError, FormReader, TheReader
from api.web.page_route import PageRoute, TheVisit, Visit, VisitedPost
from api.web.visitor import Form, TheForm, read_field
from engine.domain.records import Time
from engine.domain.time_units import micros, rfc3339
from engine.errors import SecondPersonError
from engine.queue.queue import read_plates
from engine.shifts.handovers import HandoverNote, TakeoverNote, read_handover, summarize_shift

router = APIRouter(
    prefix="/posts/{post}/handover", route_class=PageRoute, include_in_schema=False
)  # fmt: skip
LISTS = ("waiting", "without_act", "overridden")


@router.get("")
def show(
    visit: TheVisit,
    service: TheService,
    post: VisitedPost,
    at: Annotated[Time | None, Query()] = None,
) -> Response:
    """Show the handover of the shift that a time falls into, by default the running one."""
    return _page(visit, service, post, at=at)


@router.post("")
def leave(
    visit: TheVisit, service: TheService, form: TheForm, reader: TheReader, post: VisitedPost
) -> Response:
    """Sign as the supervisor who leaves."""
    try:
        note = reader.finish(reader.record(HandoverNote, _fields(reader, "at")))
    except FormError as error:
        return _page(visit, service, post, kept=form, wrong=error.mistakes)
    leave_shift(service, visit.caller, post, note)
    return RedirectResponse(_back(post, form), 303)


@router.post("/{sequence}")
def take(
    visit: TheVisit,
    service: TheService,
    form: TheForm,
    reader: TheReader,
    post: VisitedPost,
    sequence: Annotated[int, Path(ge=1, lt=1 << 63)],
) -> Response:
    """Sign as the supervisor who takes over."""
    try:
        note = reader.finish(reader.record(TakeoverNote, _fields(reader)))
        take_shift(service, visit.caller, post, sequence, note)
    except FormError as error:
        return _page(visit, service, post, kept=form, wrong=error.mistakes)
    except SecondPersonError:
        mistakes = (FieldMistake("", "same_signer"),)
        return _page(visit, service, post, kept=form, wrong=mistakes)
    return RedirectResponse(_back(post, form), 303)


def _fields(reader: FormReader, *more: str) -> dict[str, Any]:
    return reader.texts("note", *more)


def _back(post: str, form: Form) -> str:
    at = _read_time(form)
    query = "" if at is None else f"&at={rfc3339(micros(at)).replace('+', '%2B')}"
    return f"/posts/{post}/handover?done=signed{query}#done"


def _read_time(form: Form) -> datetime | None:
    """Return the time within the shift that a form names; None for one that is none."""
    try:
        found = datetime.fromisoformat(read_field(form, "at"))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _page(
    visit: Visit,
    service: Runtime,
    post: str,
    *,
    at: datetime | None = None,
    kept: Form | None = None,
    wrong: Sequence[FieldMistake] = (),
) -> Response:
    now = read_now(service)
    at = _read_time(kept) if kept is not None and at is None else at
    asked = now if at is None else min(now, micros(at))
    shift = service.settings.shifts_of(service.network).shift(post, asked)
    with service.store.read() as snapshot:
        known = read_handover(snapshot, post, shift.shift_id)
        if known is not None and has_lapsed(service.accounts, known):
            known = None
        balance = summarize_shift(snapshot, shift, as_of=now) if known is None else known.balance
        shown = view_balance(visit.caller, post, balance)
        named = [one for name in LISTS if shown[name] for one in shown[name]["decisions"]]
        plates = read_plates(snapshot, named)
    return visit.page(
        "handover.html",
        status=422 if wrong else 200,
        post=post,
        name=service.network.posts[post].name if post in service.network.posts else "",
        json_address=f"/v1/posts/{post}/shift?at={rfc3339(asked)}",
        opens_at=rfc3339(shift.opens_at),
        closes_at=rfc3339(shift.closes_at),
        at=rfc3339(asked),
        now=rfc3339(now),
        handover=view_handover(visit.caller, known),
        balance=shown,
        lists=LISTS,
        plates=plates,
        kept=dict(kept or {}),
        wrong=corrections(wrong, visit.speech),
    )
