"""A person's own account: password, open sessions, language, clock and appearance.

Nothing here widens what a person may do, so one person is enough.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.auth.sessions import NewSession, cookie_name, token_of
from api.http.dependencies import TheSignIn
from api.service.sign_in import SignInService
from api.web.forms import FieldMistake, corrections
from api.web.i18n import COOKIE as LANGUAGE_COOKIE
from api.web.i18n import LANGUAGES, N_
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.sign_in_page import LONGEST_PASSWORD, YEAR, keep_cookie
from api.web.templates_env import (
    APPEARANCE_COOKIE,
    APPEARANCES,
    ZONE_COOKIE,
    appearance_of,
    time_zones,
    zone_of,
)
from api.web.visitor import TheForm, read_field
from engine.domain.time_units import rfc3339
from engine.errors import NotAuthenticatedError, NotFoundError

router = APIRouter(prefix="/account", route_class=PageRoute, include_in_schema=False)
NAMES = {
    "password": N_("Present password"),
    "language": N_("Language"),
    "appearance": N_("Appearance"),
    "zone": N_("Time zone of pages of no post"),
}
OTHERS = "others"
"""What the button of all other sessions sends."""


@router.get("")
def show(visit: TheVisit, service: TheSignIn) -> Response:
    """Show the account."""
    return _page(visit, service)


@router.post("/preferences")
def choose(visit: TheVisit, service: TheSignIn, form: TheForm) -> Response:
    """Remember language, appearance and time zone in this browser."""
    offered = {
        "language": (LANGUAGE_COOKIE, tuple(LANGUAGES)),
        "appearance": (APPEARANCE_COOKIE, APPEARANCES),
        "zone": (ZONE_COOKIE, ("", *time_zones())),
    }
    wrong = [
        FieldMistake(name, "not_offered")
        for name, (_, values) in offered.items()
        if read_field(form, name) not in values
    ]
    if wrong:
        return _page(visit, service, wrong=wrong)
    answer = RedirectResponse("/account?done=preferences#done", 303)
    for name, (cookie, _) in offered.items():
        keep_cookie(visit.request, answer, cookie, read_field(form, name), seconds=YEAR)
    return answer


@router.post("/password")
async def renew_password(
    request: Request, visit: TheVisit, service: TheSignIn, form: TheForm
) -> Response:
    """Make a new password for who knows the present one, and end every other session.

    A wrong one counts as at the sign-in: who finds an open desk cannot guess there faster.
    """
    name, password = visit.caller.name, read_field(form, "password")
    address = request.client.host if request.client else ""
    attempts = service.sessions.attempts
    if seconds := attempts.begin(address, name):
        slow = FieldMistake("password", "wait", {"seconds": str(seconds)})
        return await service.executors.look_up(_refuse, visit, service, slow, 429)
    made = await service.executors.sign_in.run(_renew, service, name, password)
    if made is None:
        wrong = FieldMistake("password", "wrong_password")
        return await service.executors.look_up(_refuse, visit, service, wrong, 422)
    attempts.record_success(address, name)
    secret, begun = made
    answer = await service.executors.look_up(_show_new, visit, service, secret, begun)
    keep_cookie(request, answer, cookie_name(request), begun.token, seconds=begun.seconds)
    return answer


@router.post("/sessions")
def end_sessions(visit: TheVisit, service: TheSignIn, form: TheForm) -> Response:
    """End one other session of this person, or all others."""
    name, wanted = visit.caller.name, read_field(form, "session")
    own = service.sessions.commitment(token_of(visit.request))
    others = [one.commitment for one in service.sessions.open_of(name) if one.commitment != own]
    chosen = others if wanted == OTHERS else [one for one in others if _mark(one) == wanted]
    if not chosen and wanted != OTHERS:
        raise NotFoundError("session", wanted)
    for one in chosen:
        service.sessions.end_of(name, one)
    return RedirectResponse("/account?done=ended#done", 303)


def _renew(service: SignInService, name: str, password: str) -> tuple[str, NewSession] | None:
    """Return the new password and a session by it, None where the present one is another."""
    if not 0 < len(password) <= LONGEST_PASSWORD:
        return None
    try:
        role = service.accounts.sign_in(name, password)
    except NotAuthenticatedError:
        return None
    secret = service.accounts.change_password(name, is_own=True).secret
    return secret, service.sessions.begin(name, role)


def _refuse(visit: Visit, service: SignInService, wrong: FieldMistake, status: int) -> Response:
    return _page(visit, service, wrong=[wrong], status=status)


def _show_new(visit: Visit, service: SignInService, secret: str, begun: NewSession) -> Response:
    """Show the new password once; forms of the page are those of the new session."""
    return _page(visit, service, token=begun.token, new_password=secret)


def _mark(commitment: str) -> str:
    """Return by what a form names a session: enough of its commitment to be one among few."""
    return commitment[:16]


def _page(
    visit: Visit,
    service: SignInService,
    *,
    wrong: Sequence[FieldMistake] = (),
    status: int = 422,
    token: str | None = None,
    new_password: str = "",
) -> Response:
    if token is None:
        token = token_of(visit.request)
    form_token = service.sessions.form_token(token)
    visit = replace(visit, visitor=replace(visit.visitor, form_token=form_token))
    own, name = service.sessions.commitment(token), visit.caller.name
    sessions = [
        {
            "mark": _mark(one.commitment),
            "since": rfc3339(one.since),
            "until": rfc3339(one.until),
            "is_own": one.commitment == own,
        }
        for one in service.sessions.open_of(name)
    ]
    values: dict[str, Any] = {
        "sessions": sessions,
        "has_password": service.accounts.has_password(name),
        "new_password": new_password,
        "zones": time_zones(),
        "chosen_zone": zone_of(visit.request),
        "chosen_appearance": appearance_of(visit.request),
        "wrong": corrections(wrong, visit.speech, names=NAMES),
        "kept": {},
    }
    return visit.page("account.html", status=status if wrong else 200, **values)
