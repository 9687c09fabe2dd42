"""Sign in, sign out, choose a language."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.auth.credentials import is_token
from api.auth.sessions import NewSession, cookie_name, token_of
from api.http.dependencies import TheSignIn
from api.service.sign_in import SignInService
from api.web import i18n
from api.web.page_route import PageRoute, local
from api.web.templates_env import page
from api.web.visitor import VISIT, TheForm, TheVisitor, new_visit, read_field, sent_form
from engine.errors import BusyError, NotAuthenticatedError

router = APIRouter(route_class=PageRoute, include_in_schema=False)

LONGEST_NAME, LONGEST_PASSWORD = 64, 200
YEAR = 365 * 24 * 3600
_LARGEST_FORM = 16 * 1024
HELD_SECONDS, MOST_HELD = 1.0, 64
"""How long an attempt that no password is looked at for waits for its answer, and how many do: who
sends the next only after the answer to the last costs next to nothing."""
BUSY_SECONDS = 2
"""When to try again where too many sign in at once."""


@router.get("/login")
async def form(
    request: Request,
    wanted: Annotated[str, Query(alias="next")] = "/",
    ended: Annotated[str, Query(max_length=1)] = "",
) -> Response:
    """Show the form; ``ended`` where a form was sent without a session."""
    return await render_form(request, wanted=local(wanted), has_ended=bool(ended))


@router.post("/login")
async def sign_in(request: Request, service: TheSignIn) -> Response:
    """Sign in a user who knows the password."""
    form = await sent_form(request, service, request.cookies.get(VISIT, ""), most=_LARGEST_FORM)
    name, password = read_field(form, "name"), read_field(form, "password")
    wanted = local(read_field(form, "next") or "/")
    address = request.client.host if request.client else ""
    if service.executors.sign_in.is_full:
        return await _answer_slowly(request, wanted=wanted, seconds=BUSY_SECONDS, status=503)
    if seconds := service.sessions.attempts.begin(address, name):
        return await _answer_slowly(request, wanted=wanted, seconds=seconds, status=429)
    begun = await service.executors.sign_in.run(_try, service, name, password)
    if begun is None:
        return await render_form(request, wanted=wanted, status=401, named=name[:LONGEST_NAME])
    service.sessions.attempts.record_success(address, name)
    answer = RedirectResponse(wanted, 303)
    keep_cookie(request, answer, cookie_name(request), begun.token, seconds=begun.seconds)
    answer.delete_cookie(VISIT)
    return answer


@router.post("/logout")
async def sign_out(
    request: Request, service: TheSignIn, visitor: TheVisitor, form: TheForm
) -> Response:
    """End the session; one that the identity provider opened is then ended there too."""
    is_of_provider = await asyncio.to_thread(service.sessions.end, token_of(request))
    address = await _find_end_session(service) if is_of_provider else None
    answer: Response = RedirectResponse("/login", 303)
    if address is not None:  # no redirect: a form may lead to pages of ours alone
        answer = page(request, "signed_out.html", visitor=None, address=address)
    keep_cookie(request, answer, cookie_name(request), "", seconds=0)
    return answer


@router.get("/language/{code}")
async def choose(
    request: Request,
    code: Literal["en", "ru", "uz", "tg"],
    back: Annotated[str, Query()] = "/",
) -> Response:
    """Remember a language, and go back."""
    answer = RedirectResponse(local(back), 303)
    keep_cookie(request, answer, i18n.COOKIE, code, seconds=YEAR)
    return answer


def _try(service: SignInService, name: str, password: str) -> NewSession | None:
    """Return a new session, None where name or password are wrong."""
    if not 0 < len(name) <= LONGEST_NAME or not 0 < len(password) <= LONGEST_PASSWORD:
        return None
    try:
        role = service.accounts.sign_in(name, password)
    except NotAuthenticatedError:
        return None
    return service.sessions.begin(name, role)


async def _answer_slowly(request: Request, *, wanted: str, seconds: int, status: int) -> Response:
    """Answer an attempt for which no password was looked at, after a while."""
    attempts = request.app.state.runtime.sessions.attempts
    if attempts.held >= MOST_HELD:
        return Response(status_code=status, headers={"Retry-After": str(seconds)})
    attempts.held += 1
    try:
        await asyncio.sleep(HELD_SECONDS)
    finally:
        attempts.held -= 1
    return await render_form(request, wanted=wanted, seconds=seconds, status=status)


async def _find_end_session(service: SignInService) -> str | None:
    try:
        return await service.executors.oidc.run(service.sign_on.end_session_address)
    except BusyError:
        return None


async def render_form(
    request: Request,
    *,
    wanted: str,
    status: int = 200,
    seconds: int = 0,
    refusal: str | None = None,
    has_ended: bool = False,
    named: str = "",
) -> Response:
    """Return the sign-in page; ``refusal`` says why the identity provider opened no session."""
    visit = request.cookies.get(VISIT, "")
    visit = visit if is_token(visit) else new_visit()
    service: SignInService = request.app.state.runtime
    shown: dict[str, Any] = {
        "is_offered": await service.executors.look_up(service.sign_on.is_offered),
        "refusal": refusal,
        "form_token": service.sessions.form_token(visit),
        "wanted": wanted,
        "failed": status != 200 and refusal is None,
        "seconds": seconds,
        "busy": status == 503 and refusal is None,
        "has_ended": has_ended,
        "named": named,
        "visitor": None,
    }
    answer = page(request, "login.html", status=status, **shown)
    if seconds:
        answer.headers["Retry-After"] = str(seconds)
    keep_cookie(request, answer, VISIT, visit, seconds=3600)
    return answer


def keep_cookie(request: Request, answer: Response, name: str, value: str, *, seconds: int) -> None:
    """Set a cookie that no script reads and no other site's request carries."""
    is_secure = request.url.scheme == "https"
    answer.set_cookie(
        name, value, max_age=seconds, httponly=True, samesite="strict", secure=is_secure
    )
