"""The roster of a shift for its supervisor: minutes by method, teams, and equipment that works."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.http.dependencies import TheService
from api.service.runtime import Runtime
from api.shifts.reads import read_now
from api.shifts.steps import put_roster
from api.web.field_errors import corrections
from api.web.form_fields import FieldMistake, FormError, FormReader, TheReader
from api.web.i18n import N_
from api.web.labels import TABLES
from api.web.number_parsing import write_number
from api.web.page_route import PageRoute, TheVisit, Visit, VisitedPost
from api.web.visitor import Form, TheForm
from engine.domain.network import Network
from engine.domain.records import Method
from engine.domain.time_units import rfc3339
from engine.search_orders.equipment import NEEDED
from engine.shifts.rosters import MOST_MINUTES, Hands, Roster, read_roster

router = APIRouter(
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


@router.get("")
def show(visit: TheVisit, service: TheService, post: VisitedPost) -> Response:
    """Show the roster that holds, as a form."""
    with service.store.read() as snapshot:
        hands = read_roster(snapshot, post, service.network)
    return _page(visit, service, post, kept=_write_fields(hands))


@router.post("")
def put(
    visit: TheVisit, service: TheService, form: TheForm, reader: TheReader, post: VisitedPost
) -> Response:
    """Put a roster, whole."""
    try:
        once, roster = reader.once(), read_form(reader, _codes(service.network, post))
        put_roster(service.recording, visit.caller, post, roster, once)
    except FormError as error:
        return _page(visit, service, post, kept=form, wrong=error.mistakes)
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


def _page(
    visit: Visit,
    service: Runtime,
    post: str,
    *,
    kept: Form,
    wrong: Sequence[FieldMistake] = (),
) -> Response:
    shift = service.settings.shifts_of(service.network).shift(post, read_now(service))
    values: dict[str, Any] = {"methods": METHODS, "codes": _codes(service.network, post)}
    return visit.page(
        "roster.html",
        status=422 if wrong else 200,
        post=post,
        name=service.network.posts[post].name if post in service.network.posts else "",
        json_address=f"/v1/posts/{post}/roster",
        closes_at=rfc3339(shift.closes_at),
        kept=dict(kept),
        wrong=corrections(wrong, visit.speech, names=NAMES),
        once=secrets.token_hex(12),
        **values,
    )
