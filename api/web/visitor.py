"""Who visits a page, and whether a form they send is theirs.

A page is open to the roles of its JSON route, so that there is one table of roles and no page shows
what its route would refuse.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request

from api.auth.callers import Caller
from api.auth.permissions import MAY
from api.auth.sessions import check_origin, token_of
from api.http.dependencies import SignInService, TheService
from api.http.request_bodies import read_bounded
from engine.errors import MalformedBodyError, NotAllowedError

JSON_ROUTES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("GET", "/posts/{post}/queue"): ("GET", "/v1/posts/{post}/queue"),
    ("GET", "/posts/{post}/queue/events"): ("GET", "/v1/posts/{post}/queue"),
    ("GET", "/posts/{post}/shift"): ("GET", "/v1/posts/{post}/shift"),
    ("GET", "/posts/{post}/integrity"): ("GET", "/v1/posts/{post}/integrity"),
    ("GET", "/posts/{post}/draws"): ("GET", "/v1/posts/{post}/draws"),
    ("GET", "/journal"): ("GET", "/v1/journal"),
    ("GET", "/journal/{sequence}"): ("GET", "/v1/journal/{sequence}"),
    ("POST", "/journal/verifications"): ("POST", "/v1/journal/verifications"),
    ("GET", "/decisions/{decision_id}"): ("GET", "/v1/decisions/{decision_id}"),
    ("POST", "/decisions/{decision_id}/reviews"): ("POST", "/v1/decisions/{decision_id}/reviews"),
    ("POST", "/decisions/{decision_id}/acts"): ("POST", "/v1/inspections"),
    ("GET", "/decisions/{decision_id}/release"): ("POST", "/v1/crossings/{crossing_id}/release"),
    ("POST", "/decisions/{decision_id}/release"): ("POST", "/v1/crossings/{crossing_id}/release"),
    ("GET", "/finds"): ("GET", "/v1/finds"),
    ("POST", "/finds/{sequence}/confirmations"): ("POST", "/v1/finds/{sequence}/confirmations"),
    ("GET", "/profiles"): ("GET", "/v1/profiles"),
    ("GET", "/profiles/new"): ("GET", "/v1/profiles/fields"),
    ("POST", "/profiles/checks"): ("POST", "/v1/profiles/checks"),
    ("POST", "/profiles"): ("POST", "/v1/profiles"),
    ("GET", "/profiles/{code}"): ("GET", "/v1/profiles/{code}"),
    ("POST", "/profiles/{code}/approvals"): ("POST", "/v1/profiles/{code}/approvals"),
    ("POST", "/profiles/{code}/retirements"): ("POST", "/v1/profiles/{code}/retirements"),
    ("POST", "/profiles/{code}/backtests"): ("POST", "/v1/profiles/{code}/backtests"),
    ("GET", "/models"): ("GET", "/v1/models"),
    ("GET", "/models/comparison"): ("GET", "/v1/models/comparison"),
    ("POST", "/models/rules-only"): ("POST", "/v1/models/rules-only"),
    ("POST", "/models/rollback"): ("POST", "/v1/models/rollback"),
    ("GET", "/models/{version}"): ("GET", "/v1/models/{version}"),
    ("GET", "/models/{version}/report"): ("GET", "/v1/models/{version}/report"),
    ("GET", "/models/{version}/report.html"): ("GET", "/v1/models/{version}/report"),
    ("POST", "/models/{version}/approvals"): ("POST", "/v1/models/{version}/approvals"),
    ("POST", "/models/{version}/shadow"): ("POST", "/v1/models/{version}/shadow"),
    ("POST", "/models/{version}/challenges"): ("POST", "/v1/models/{version}/challenges"),
    ("POST", "/models/end-trial"): ("POST", "/v1/models/end-trial"),
    ("GET", "/drift"): ("GET", "/v1/drift"),
    ("POST", "/drift"): ("POST", "/v1/drift"),
    ("GET", "/watchlist"): ("GET", "/v1/watchlist"),
    ("POST", "/watchlist"): ("POST", "/v1/watchlist"),
    ("POST", "/watchlist/{entry_id}/approvals"): ("POST", "/v1/watchlist/{entry_id}/approvals"),
    ("POST", "/watchlist/{entry_id}/retirements"): ("POST", "/v1/watchlist/{entry_id}/retirements"),
}
"""Each page and form, and the route that does the same in JSON."""
SIGNED_IN_ALONE = frozenset({("GET", "/"), ("POST", "/logout")})
"""Pages that are for everybody who is signed in."""
OPEN_PAGES = frozenset({("GET", "/login"), ("POST", "/login"), ("GET", "/language/{code}")})
"""Pages that are for everybody."""

VISIT = "darvoza_visit"
"""Cookie of a visitor who is not signed in yet, to which the sign-in form is bound."""
TOKEN = "form_token"  # noqa: S105  # the name of a field
MOST_FIELDS = 200

Form = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Visitor:
    """A user who is signed in."""

    caller: Caller
    form_token: str

    def may(self, method: str, path: str) -> bool:
        """Tell whether a route of the JSON interface is open to their role."""
        return self.caller.role in MAY[method, path]


async def visitor_of(request: Request, service: TheService) -> Visitor:
    """Return who visits, if their role reaches this page; raises ``NotAuthenticatedError``."""
    visitor = await identify(request, service)
    asked = request.method, request.scope["route"].path
    if asked not in SIGNED_IN_ALONE:
        visitor.caller.must_be_allowed(*JSON_ROUTES[asked])
    return visitor


async def identify(request: Request, service: SignInService) -> Visitor:
    """Return who is signed in, whatever they may see; raises ``NotAuthenticatedError``."""
    cookie = token_of(request)
    caller = await service.executors.look_up(service.sessions.caller, cookie)
    return Visitor(caller, service.sessions.form_token(cookie))


TheVisitor = Annotated[Visitor, Depends(visitor_of)]


async def form_of(request: Request, service: TheService, _: TheVisitor) -> Form:
    """Return the fields of a form that a visitor sent from a page of ours."""
    return await sent_form(request, service, token_of(request))


TheForm = Annotated[Form, Depends(form_of)]


async def sent_form(
    request: Request, service: SignInService, cookie: str, *, most: int | None = None
) -> Form:
    """Read a form, if it carries the token of this cookie; raises ``NotAllowedError``.

    ``most`` bounds its bytes, where that is less than of any body.
    """
    check_origin(request, is_owed=False)  # the token says it is a page of ours
    raw = await read_bounded(request, most=most)
    try:
        text = raw.decode("ascii")
        form = parse_qs(
            text, keep_blank_values=True, strict_parsing=True, errors="strict", separator="&",
            max_num_fields=MOST_FIELDS,
        )  # fmt: skip
    except ValueError:  # UnicodeDecodeError is one
        raise MalformedBodyError("the form cannot be read") from None
    if not service.sessions.is_form_token(read_field(form, TOKEN), cookie):
        raise NotAllowedError("the form is too old: open its page again", "form")
    return form


def read_field(form: Form, name: str) -> str:
    """Return the one value of a field, empty where it was not sent."""
    values = form.get(name, ("",))
    if len(values) != 1:
        raise MalformedBodyError("the form gives a field twice")
    return values[0].strip()


def new_visit() -> str:
    """Return what the cookie of a new visit holds."""
    return secrets.token_urlsafe(16)
