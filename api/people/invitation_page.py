"""The page on which an invitation is redeemed: two codes, then the secret, shown once.

Open to all, as the sign-in is: who is invited has no account yet. Wrong codes are slowed as wrong
passwords are.
"""

from fastapi import APIRouter, Request, Response

from api.auth.accounts import IssuedCredential
from api.auth.credentials import is_token
from api.http.dependencies import TheService
from api.people.invitations import redeem
from api.service.runtime import Runtime
from api.web.page_route import PageRoute
from api.web.sign_in_page import keep_cookie
from api.web.templates_env import page
from api.web.visitor import VISIT, new_visit, read_field, sent_form
from engine.errors import ConflictError, NotAuthenticatedError, RiskError

router = APIRouter(prefix="/invitation", route_class=PageRoute, include_in_schema=False)
_LARGEST_FORM = 16 * 1024
_LONGEST_CODE = 40
_ATTEMPT = "invitation"
"""Counts in the place of a name: who redeems an invitation names none."""


@router.get("")
async def show(request: Request, service: TheService) -> Response:
    """Show the form."""
    return _render(request, service)


@router.post("")
async def take_up(request: Request, service: TheService) -> Response:
    """Make the secret of an invitation whose two codes are right, and show it once."""
    form = await sent_form(request, service, request.cookies.get(VISIT, ""), most=_LARGEST_FORM)
    codes = read_field(form, "first"), read_field(form, "second")
    address = request.client.host if request.client else ""
    if service.executors.sign_in.is_full:
        return _render(request, service, status=503)
    if seconds := service.sessions.attempts.begin(address, _ATTEMPT):
        return _render(request, service, status=429, seconds=seconds)
    made = await service.executors.sign_in.run(_try, service, codes)
    if made is None:
        return _render(request, service, status=401)
    service.sessions.attempts.record_success(address, _ATTEMPT)
    return _render(request, service, made=made)


def _try(
    service: Runtime, codes: tuple[str, str]
) -> tuple[str, IssuedCredential] | RiskError | None:
    """Return what was granted, the rule that forbids it by now, or None for wrong codes."""
    if any(not 0 < len(code) <= _LONGEST_CODE for code in codes):
        return None
    try:
        return redeem(service, codes)
    except (NotAuthenticatedError, ConflictError):
        return None
    except RiskError as error:
        return error


def _render(
    request: Request,
    service: Runtime,
    *,
    status: int = 200,
    seconds: int = 0,
    made: tuple[str, IssuedCredential] | RiskError | None = None,
) -> Response:
    visit = request.cookies.get(VISIT, "")
    visit = visit if is_token(visit) else new_visit()
    granted = made if isinstance(made, tuple) else None
    is_refused = isinstance(made, RiskError)
    values = {
        "form_token": service.sessions.form_token(visit),
        "visitor": None,
        "seconds": seconds,
        "failed": status == 401,
        "busy": status == 503,
        "is_refused": is_refused,
        "grant": "" if granted is None else granted[0],
        "issued": None if granted is None else granted[1],
    }
    status = 409 if is_refused else status
    answer = page(request, "invitation.html", status=status, **values)
    if seconds:
        answer.headers["Retry-After"] = str(seconds)
    keep_cookie(request, answer, VISIT, visit, seconds=3600)
    return answer
