"""Pages of a shift: its report, its handover and its roster.

The report says what each way of picking vehicles found, and what cannot be known yet. The handover
lists what is open, and takes a note and two signatures. The roster has the minutes by method, the
teams, and the equipment that works.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection, select

from api.http.dependencies import TheService
from api.queue import read_queue
from api.service.runtime import Runtime
from api.shifts.readers import read_now, read_shift_report, view_balance, view_handover
from api.shifts.steps import has_lapsed, leave_shift, put_roster, take_shift
from api.web.forms import FieldMistake, FormError, FormReader, TheReader, write_number
from api.web.i18n import N_
from api.web.labels import TABLES
from api.web.page_route import PageRoute, TheVisit, Visit, VisitedPost
from api.web.visitor import Form, TheForm, read_field
from engine.domain.field_types import Time
from engine.domain.network import Network
from engine.domain.records import Method
from engine.domain.time_units import RECENT_WINDOW, micros, moment, rfc3339
from engine.errors import NotFoundError, SecondPersonError
from engine.journal.kinds import ReviewBody
from engine.queue.queue import DECISIONS, read_decision, read_plates
from engine.queue.reviews import NEEDS_SECOND, read_reviews
from engine.search_orders.order import NEEDED
from engine.selection import Channel
from engine.shifts.handovers import HandoverNote, TakeoverNote, read_handover, summarize_shift
from engine.shifts.workload import MOST_MINUTES, Hands, Roster, has_scanner, read_roster

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/posts/{post}/shift")
def show(
    visit: TheVisit,
    service: TheService,
    post: VisitedPost,
    at: Annotated[Time | None, Query()] = None,
) -> Response:
    """Show the report of the shift that a time falls into, by default the running one."""
    now = read_now(service)
    asked = min(now, now if at is None else micros(at))
    found = read_shift_report(service, post, asked, visit.caller)
    with service.store.read() as snapshot:
        is_scanning = has_scanner(snapshot, post, service.network)
        line = service.posts.read_lines(snapshot, now=now).get(post)
    shift = service.shifts.shift(post, asked)
    return visit.page(
        "shift.html",
        post=post,
        name=service.network.posts[post].name if post in service.network.posts else "",
        json_address=f"/v1/posts/{post}/shift?at={rfc3339(asked)}",
        report=found,
        recent_since=moment(min(now, shift.closes_at) - RECENT_WINDOW),
        line=line,
        at=rfc3339(asked),
        has_scanner=is_scanning,
        before=rfc3339(shift.opens_at - 1),
        after=None if found.is_running else rfc3339(shift.closes_at),
    )


handover_page_router = APIRouter(
    prefix="/posts/{post}/handover", route_class=PageRoute, include_in_schema=False
)  # fmt: skip
LISTS = ("waiting", "without_act", "overridden")


@handover_page_router.get("")
def show_handover(
    visit: TheVisit,
    service: TheService,
    post: VisitedPost,
    at: Annotated[Time | None, Query()] = None,
) -> Response:
    """Show the handover of the shift that a time falls into, by default the running one."""
    return _handover_page(visit, service, post, at=at)


@handover_page_router.post("")
def leave(
    visit: TheVisit, service: TheService, form: TheForm, reader: TheReader, post: VisitedPost
) -> Response:
    """Sign as the supervisor who leaves."""
    try:
        note = reader.finish(reader.record(HandoverNote, _fields(reader, "at")))
    except FormError as error:
        return _handover_page(visit, service, post, kept=form, wrong=error.mistakes)
    leave_shift(service, visit.caller, post, note)
    return RedirectResponse(_lead_to_handover(post, form), 303)


@handover_page_router.post("/{sequence}")
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
        return _handover_page(visit, service, post, kept=form, wrong=error.mistakes)
    except SecondPersonError:
        mistakes = (FieldMistake("", "same_signer"),)
        return _handover_page(visit, service, post, kept=form, wrong=mistakes)
    return RedirectResponse(_lead_to_handover(post, form), 303)


def _fields(reader: FormReader, *more: str) -> dict[str, Any]:
    return reader.texts("note", *more)


def _lead_to_handover(post: str, form: Form) -> str:
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


def _handover_page(
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
    shift = service.shifts.shift(post, asked)
    with service.store.read() as snapshot:
        known = read_handover(snapshot, post, shift.shift_id)
        if known is not None and has_lapsed(service.accounts, known):
            known = None
        balance = summarize_shift(snapshot, shift, as_of=now) if known is None else known.balance
        shown = view_balance(visit.caller, post, balance)
        named = [one for name in LISTS if shown[name] for one in shown[name].decisions]
        plates = read_plates(snapshot, named)
        sent = shown["overridden"].decisions if shown["overridden"] else ()
        moved = {one: found for one in sent if (found := _read_override(snapshot, one))}
    waiting = read_queue(service, post, visit.caller, is_blind=True)  # a page for any reader
    return visit.form_page(
        "handover.html",
        post=post,
        name=service.network.posts[post].name if post in service.network.posts else "",
        json_address=f"/v1/posts/{post}/shift?at={rfc3339(asked)}",
        opens_at=rfc3339(shift.opens_at),
        closes_at=rfc3339(shift.closes_at),
        at=rfc3339(asked),
        now=rfc3339(now),
        handover=view_handover(visit.caller, known),
        finds=read_shift_report(service, post, asked, visit.caller).work.finds,
        queued={one.decision_id: one for one in waiting.vehicles},
        balance=shown,
        lists=LISTS,
        plates=plates,
        moved=moved,
        kept=kept or {},
        wrong=wrong,
    )


def _read_override(snapshot: Connection, decision_id: str) -> tuple[str, ReviewBody] | None:
    """Return the last verdict that sends a vehicle elsewhere, and from which channel.

    None of a decision that is erased.
    """
    try:
        reviews = read_reviews(snapshot, read_decision(snapshot, decision_id))
    except NotFoundError:
        return None
    moving = [one.body for one in reviews if one.body["review"]["verdict"] == "override"]
    if not moving:
        return None
    query = select(DECISIONS.c.sent).where(DECISIONS.c.decision_id == decision_id)
    sent = snapshot.execute(query).scalar_one()
    before = [one["review"]["channel"] for one in moving[:-1] if not one.get(NEEDS_SECOND)]
    return [Channel(sent).code, *before][-1], moving[-1]


roster_page_router = APIRouter(
    prefix="/posts/{post}/roster", route_class=PageRoute, include_in_schema=False
)  # fmt: skip
METHODS: tuple[str, ...] = get_args(Method)
MINUTES, WORKS = "minutes-", "equipment-"
"""What the names of fields begin with."""
MOST_OF_A_KIND = 10_000
NAMES: Mapping[str, str] = (
    {f"{MINUTES}{code}": text for code, text in TABLES["method"].items()}
    | {f"{WORKS}{code}": text for code, text in TABLES["equipment"].items()}
    | {"teams": N_("Teams")}
)


@roster_page_router.get("")
def show_roster(visit: TheVisit, service: TheService, post: VisitedPost) -> Response:
    """Show the roster that holds, as a form."""
    with service.store.read() as snapshot:
        hands = read_roster(snapshot, post, service.network)
    return _roster_page(visit, service, post, kept=_write_fields(hands))


@roster_page_router.post("")
def put(
    visit: TheVisit, service: TheService, form: TheForm, reader: TheReader, post: VisitedPost
) -> Response:
    """Put a roster, whole."""
    try:
        once, roster = reader.once(), read_form(reader, _codes(service.network, post))
        put_roster(service.recording, visit.caller, post, roster, once)
    except FormError as error:
        return _roster_page(visit, service, post, kept=form, wrong=error.mistakes)
    return RedirectResponse(f"/posts/{post}/roster?done=put#done", 303)


def read_form(reader: FormReader, codes: Sequence[str]) -> Roster:
    """Return the roster that a form states; raises ``FormError`` with every mistake."""
    minutes = _read_counts(reader, MINUTES, METHODS, most=MOST_MINUTES)
    equipment = _read_counts(reader, WORKS, codes, most=MOST_OF_A_KIND, is_whole=True)
    if not minutes and not reader.mistakes:
        reader.refuse(f"{MINUTES}{METHODS[-1]}", "no_minutes")
    teams = [team for part in reader.text("teams").split(",") if (team := part.strip())]
    found = reader.record(
        Roster, {"minutes": minutes or {"documents": 0.0}, "teams": teams, "equipment": equipment}
    )
    return reader.finish(found)


def _read_counts(
    reader: FormReader, prefix: str, codes: Sequence[str], *, most: float, is_whole: bool = False
) -> dict[str, float]:
    """Return the numbers of a group of fields; one that is empty states nothing."""
    found = {}
    for code in codes:
        value = reader.number(f"{prefix}{code}")
        if value is None:
            continue
        if value > most:
            reader.refuse(f"{prefix}{code}", "too_large")
        elif is_whole and value != int(value):
            reader.refuse(f"{prefix}{code}", "not_whole")
        found[code] = value
    return found


def _write_fields(hands: Hands) -> dict[str, list[str]]:
    """Return the fields as they hold a roster before anything is typed."""
    fields = {f"{MINUTES}{code}": write_number(value) for code, value in hands.minutes.items()}
    fields |= {f"{WORKS}{code}": write_number(count) for code, count in hands.equipment.items()}
    fields["teams"] = ", ".join(hands.teams)
    return {name: [text] for name, text in fields.items()}


def _codes(network: Network, post: str) -> list[str]:
    """Return the codes of equipment that a roster of this post may name."""
    known = network.posts.get(post)
    return sorted({*NEEDED.values(), *({} if known is None else known.equipment)})


def _roster_page(
    visit: Visit,
    service: Runtime,
    post: str,
    *,
    kept: Form,
    wrong: Sequence[FieldMistake] = (),
) -> Response:
    shift = service.shifts.shift(post, read_now(service))
    values: dict[str, Any] = {"methods": METHODS, "codes": _codes(service.network, post)}
    return visit.form_page(
        "roster.html",
        post=post,
        name=service.network.posts[post].name if post in service.network.posts else "",
        json_address=f"/v1/posts/{post}/roster",
        closes_at=rfc3339(shift.closes_at),
        kept=kept,
        wrong=wrong,
        field_names=NAMES,
        **values,
    )
