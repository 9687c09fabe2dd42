"""Visitor of a page, and the check that a form they send is theirs.

A page is open to the roles of its JSON route, so that there is one table of roles and no page shows
what its route would refuse.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request

from api.areas import list_doors
from api.auth.callers import Caller
from api.auth.sessions import check_origin, is_used_by_person, token_of
from api.http.dependencies import TheSignIn
from api.http.request_bodies import read_bounded
from api.service.sign_in import SignInService
from engine.errors import MalformedBodyError, NotAllowedError

OTHER_ROUTES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("GET", "/posts/{post}/queue/events"): ("GET", "/v1/posts/{post}/queue"),
    ("POST", "/decisions/{decision_id}/acts"): ("POST", "/v1/inspections"),
    ("POST", "/decisions/{decision_id}/documents"): ("POST", "/v1/inspections"),
    ("GET", "/decisions/{decision_id}/release"): ("POST", "/v1/crossings/{crossing_id}/release"),
    ("POST", "/decisions/{decision_id}/release"): ("POST", "/v1/crossings/{crossing_id}/release"),
    ("POST", "/decisions/{decision_id}/takings"): ("POST", "/v1/crossings/{crossing_id}/takings"),
    ("POST", "/decisions/{decision_id}/assignments"): (
        "POST",
        "/v1/crossings/{crossing_id}/assignments",
    ),
    ("POST", "/decisions/{decision_id}/returns"): ("POST", "/v1/crossings/{crossing_id}/returns"),
    ("GET", "/decisions/{decision_id}/order"): ("GET", "/v1/decisions/{decision_id}"),
    ("GET", "/decisions/{decision_id}/correction"): (
        "POST",
        "/v1/inspections/{inspection_id}/corrections",
    ),
    ("POST", "/decisions/{decision_id}/correction"): (
        "POST",
        "/v1/inspections/{inspection_id}/corrections",
    ),
    ("GET", "/posts/{post}/roster"): ("PUT", "/v1/posts/{post}/roster"),
    ("POST", "/posts/{post}/roster"): ("PUT", "/v1/posts/{post}/roster"),
    ("GET", "/posts/{post}/handover"): ("GET", "/v1/posts/{post}/shift"),
    ("POST", "/posts/{post}/handover"): ("POST", "/v1/posts/{post}/handovers"),
    ("POST", "/posts/{post}/handover/{sequence}"): (
        "POST",
        "/v1/posts/{post}/handovers/{sequence}/signatures",
    ),
    ("POST", "/proposals/{matter}/{subject}/approvals"): (
        "POST",
        "/v1/proposals/{number}/approvals",
    ),
    ("POST", "/proposals/{matter}/{subject}/retirements"): ("POST", "/v1/proposals"),
    ("POST", "/people/proposals"): ("GET", "/v1/people"),
    ("POST", "/policy"): ("POST", "/v1/proposals"),
    ("GET", "/profiles/new"): ("GET", "/v1/profiles/fields"),
    ("GET", "/models/{version}/report.html"): ("GET", "/v1/models/{version}/report"),
    **{page: route for doors in list_doors() for page, route in doors.pages_of.items()},
}
"""Pages and forms whose JSON route has another path than theirs."""
SIGNED_IN_ALONE = frozenset(
    {
        ("GET", "/"),
        ("POST", "/logout"),
        ("GET", "/account"),
        ("GET", "/help"),
        ("POST", "/account/preferences"),
        ("POST", "/account/password"),
        ("POST", "/account/sessions"),
    }
)
"""Pages that are for everybody who is signed in."""
OPEN_PAGES = frozenset(
    {
        ("GET", "/login"),
        ("POST", "/login"),
        ("GET", "/invitation"),
        ("POST", "/invitation"),
        ("GET", "/language/{code}"),
        ("GET", "/docs"),
    }
).union(*(doors.open_pages for doors in list_doors()))
"""Pages that are for everybody."""

VISIT = "darvoza_visit"
"""Cookie of a visitor who is not signed in yet, to which the sign-in form is bound."""
TOKEN = "form_token"  # noqa: S105  # the name of a field
MOST_FIELDS = 200

Form = Mapping[str, Sequence[str]]


def json_route(method: str, path: str) -> tuple[str, str]:
    """Return the route that does in JSON what a page or form does."""
    return OTHER_ROUTES.get((method, path), (method, f"/v1{path}"))


@dataclass(frozen=True, slots=True)
class Visitor:
    """A user who is signed in."""

    caller: Caller
    form_token: str

    def may(self, method: str, path: str) -> bool:
        """Tell whether a route of the JSON interface is open to their role and agency."""
        return self.caller.may(method, path)


async def visitor_of(request: Request, service: TheSignIn) -> Visitor:
    """Return who visits, if their role reaches this page; raises ``NotAuthenticatedError``."""
    visitor = await identify(request, service)
    asked = request.method, request.scope["route"].path
    if asked not in SIGNED_IN_ALONE:
        visitor = replace(visitor, caller=visitor.caller.enter(*json_route(*asked)))
    return visitor


async def identify(request: Request, service: SignInService) -> Visitor:
    """Return who is signed in, whatever they may see; raises ``NotAuthenticatedError``."""
    cookie = token_of(request)
    look_up = partial(service.sessions.caller, is_used=is_used_by_person(request))
    caller = await service.executors.look_up(look_up, cookie)
    return Visitor(caller, service.sessions.form_token(cookie))


TheVisitor = Annotated[Visitor, Depends(visitor_of)]


async def form_of(request: Request, service: TheSignIn, _: TheVisitor) -> Form:
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
