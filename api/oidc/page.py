"""Sign on by the identity provider: to it, back from it, and out of it.

A browser brings the session's strict cookie only with what our own pages lead to. So a sign-on ends
on a page of ours that leads on, and not in a redirect that began at the provider.
"""

from typing import Annotated, cast

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.auth.sessions import cookie_name
from api.http.dependencies import TheSignIn
from api.oidc.attempts import SECONDS, STATUS, Refusal, SignOnError
from api.oidc.sign_on import SignOn
from api.service.sign_in import SignInService
from api.web.page_route import PageRoute, local
from api.web.sign_in_page import keep_cookie, render_form
from api.web.templates_env import page
from engine.errors import BusyError

router = APIRouter(route_class=PageRoute, include_in_schema=False)

COOKIE = "darvoza_oidc"
HOST_COOKIE = f"__Host-{COOKIE}"
_ANSWER = ("code", "error", "iss", "state")
"""Parameters of the provider's answer that are read."""


@router.get("/login/oidc")
async def begin(
    request: Request, service: TheSignIn, wanted: Annotated[str, Query(alias="next")] = "/"
) -> Response:
    """Send a person to the identity provider."""
    try:
        address, cookie = await service.executors.oidc.run(_sign_on(service).begin, local(wanted))
    except (SignOnError, BusyError) as error:
        return await _refuse(request, service, error)
    answer = RedirectResponse(address, 303)
    _keep_attempt(request, answer, cookie, seconds=SECONDS)
    return answer


@router.get("/login/oidc/callback")
async def complete(request: Request, service: TheSignIn) -> Response:
    """Open a session for a person whom the identity provider sends back."""
    cookie = request.cookies.get(_cookie_name(request), "")
    given = {name: request.query_params.getlist(name) for name in _ANSWER}
    answered = {name: values[0] for name, values in given.items() if len(values) == 1}
    try:
        if any(len(values) > 1 for values in given.values()):
            raise SignOnError(Refusal.STALE)
        done = await service.executors.oidc.run(_sign_on(service).complete, cookie, answered)
    except (SignOnError, BusyError) as error:
        return await _refuse(request, service, error)
    answer = page(request, "signed_on.html", visitor=None, address=local(done.wanted))
    _keep_attempt(request, answer, "", seconds=0)
    session = done.session
    keep_cookie(request, answer, cookie_name(request), session.token, seconds=session.seconds)
    return answer


async def _refuse(
    request: Request, service: SignInService, error: SignOnError | BusyError
) -> Response:
    """Return the sign-in page, which says why, and offers a local account."""
    refusal = error.refusal if isinstance(error, SignOnError) else Refusal.PROVIDER_DOWN
    service.metrics.refuse_sign_on(refusal.value)
    answer = await render_form(request, wanted="/", status=STATUS[refusal], refusal=refusal)
    _keep_attempt(request, answer, "", seconds=0)
    return answer


def _sign_on(service: SignInService) -> SignOn:
    return cast("SignOn", service.sign_on)  # what this area is open for


def _cookie_name(request: Request) -> str:
    return HOST_COOKIE if request.url.scheme == "https" else COOKIE


def _keep_attempt(request: Request, answer: Response, value: str, *, seconds: int) -> None:
    """Set the cookie of an attempt; ``lax``, as it comes back from the provider's page."""
    is_secure = request.url.scheme == "https"
    answer.set_cookie(
        _cookie_name(request),
        value,
        max_age=seconds,
        httponly=True,
        samesite="lax",
        secure=is_secure,
    )
