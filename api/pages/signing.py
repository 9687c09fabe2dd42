"""Sign in, sign out, choose a language."""

import asyncio
from threading import BoundedSemaphore
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.dependencies import RunningService
from api.keys import is_token
from api.pages import languages
from api.pages.rendering import page
from api.pages.routing import PageRoute, local
from api.pages.sessions import SignedIn, cookie_name, token_of
from api.pages.visits import VISIT, TheForm, TheVisitor, field, new_visit, sent_form
from api.runtime import Runtime
from engine.errors import NotAuthenticatedError

router = APIRouter(route_class=PageRoute, include_in_schema=False)

LONGEST_NAME, LONGEST_PASSWORD = 64, 200
_YEAR = 365 * 24 * 3600
_HASHING = BoundedSemaphore(2)
"""A password costs 64 MB and a core for a moment: guesses sent together wait for each other."""


@router.get("/login")
async def form(request: Request, wanted: Annotated[str, Query(alias="next")] = "/") -> Response:
    """Show the form."""
    return _form(request, wanted=local(wanted))


@router.post("/login")
async def sign_in(request: Request, runtime: RunningService) -> Response:
    """Sign somebody in who knows the password."""
    form = await sent_form(request, runtime, request.cookies.get(VISIT, ""))
    name, password = field(form, "name"), field(form, "password")
    wanted = local(field(form, "next") or "/")
    begun = await asyncio.to_thread(_try, runtime, name, password)
    if isinstance(begun, int):
        return _form(request, wanted=wanted, seconds=begun, status=429 if begun else 401)
    answer = RedirectResponse(wanted, 303)
    _keep(request, answer, cookie_name(request), begun.token, seconds=begun.seconds)
    answer.delete_cookie(VISIT)
    return answer


@router.post("/logout")
async def sign_out(
    request: Request, runtime: RunningService, visitor: TheVisitor, form: TheForm
) -> Response:
    """End the session."""
    await asyncio.to_thread(runtime.sessions.end, token_of(request))
    answer = RedirectResponse("/login", 303)
    _keep(request, answer, cookie_name(request), "", seconds=0)
    return answer


@router.get("/language/{code}")
async def choose(
    request: Request,
    code: Literal["en", "ru", "uz", "tg"],
    back: Annotated[str, Query()] = "/",
) -> Response:
    """Remember a language, and go back."""
    answer = RedirectResponse(local(back), 303)
    _keep(request, answer, languages.COOKIE, code, seconds=_YEAR)
    return answer


def _try(runtime: Runtime, name: str, password: str) -> SignedIn | int:
    """Return a new session, or how many seconds to wait: 0 where name or password are wrong."""
    if not 0 < len(name) <= LONGEST_NAME or not 0 < len(password) <= LONGEST_PASSWORD:
        return 0
    attempts = runtime.sessions.attempts
    if seconds := attempts.begin(name):
        return seconds
    try:
        with _HASHING:
            role = runtime.accounts.sign_in(name, password)
    except NotAuthenticatedError:
        return 0
    attempts.succeeded(name)
    return runtime.sessions.begin(name, role)


def _form(request: Request, *, wanted: str, status: int = 200, seconds: int = 0) -> Response:
    visit = request.cookies.get(VISIT, "")
    visit = visit if is_token(visit) else new_visit()
    runtime: Runtime = request.app.state.runtime
    shown: dict[str, Any] = {
        "form_token": runtime.sessions.form_token(visit),
        "wanted": wanted,
        "failed": status != 200,
        "seconds": seconds,
        "visitor": None,
    }
    answer = page(request, "login.html", status=status, **shown)
    if seconds:
        answer.headers["Retry-After"] = str(seconds)
    _keep(request, answer, VISIT, visit, seconds=3600)
    return answer


def _keep(request: Request, answer: Response, name: str, value: str, *, seconds: int) -> None:
    """Set a cookie that no script reads and no other site's request carries."""
    is_secure = request.url.scheme == "https"
    answer.set_cookie(
        name, value, max_age=seconds, httponly=True, samesite="strict", secure=is_secure
    )
