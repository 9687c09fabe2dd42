"""Route class of all pages: security headers, and refusals that a person can read.

No page runs a script or takes a style that is not a file of ours, loads anything from elsewhere,
may be framed, or is kept by a cache.
"""

import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, ClassVar
from urllib.parse import quote, urlsplit

from fastapi import Depends, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException

from api.auth.callers import Caller
from api.auth.permissions import MACHINES, ROUTES
from api.http.access import check_path
from api.http.dependencies import CheckedRoute
from api.http.problems import RETRY_SECONDS, STATUS, answer_http
from api.web.forms import FieldMistake, FormError, corrections
from api.web.i18n import ReaderLocale
from api.web.templates_env import page, speech_of
from api.web.visitor import Form, TheVisitor, Visitor, identify, json_route
from engine.domain.field_types import PostCode
from engine.domain.rights import Role
from engine.errors import NotAuthenticatedError, NotFoundError, RecordError, RiskError

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """One visitor's request for a page, or for what a form of it does."""

    request: Request
    visitor: Visitor

    @property
    def caller(self) -> Caller:
        """Who visits, as routes of the JSON interface know them."""
        return self.visitor.caller

    @property
    def speech(self) -> ReaderLocale:
        """Language of the visitor, and the clocks of the post that the path names."""
        return speech_of(self.request, self.request.path_params.get("post"))

    def page(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a page for this visitor."""
        return page(self.request, template, status=status, visitor=self.visitor, **values)

    def form_page(
        self,
        template: str,
        *,
        kept: Form,
        wrong: Sequence[FieldMistake],
        field_names: Mapping[str, str] | None = None,
        **values: Any,
    ) -> HTMLResponse:
        """Return a page with a form as it was filled in, and with what is wrong at its fields.

        ``field_names`` are what this page calls fields that other pages call otherwise.
        """
        return self.page(
            template,
            status=422 if wrong else 200,
            kept=dict(kept),
            wrong=corrections(wrong, self.speech, names=field_names),
            once=secrets.token_hex(12),
            **values,
        )


async def visit_of(request: Request, visitor: TheVisitor) -> Visit:
    """Return the visit; raises ``NotAuthenticatedError`` and ``NotAllowedError``."""
    return Visit(request, visitor)


TheVisit = Annotated[Visit, Depends(visit_of)]


async def visited_post(visit: TheVisit, post: Annotated[PostCode, Path()]) -> str:
    """Return the post that a page's path names; raises ``NotFoundError``, ``NotAllowedError``."""
    check_path(visit.request.app.state.runtime.network, visit.caller, post)
    return post


VisitedPost = Annotated[str, Depends(visited_post)]


FOREIGN = frozenset({"/login", "/login/oidc/callback", "/invitation"})
"""Pages to which an identity provider or a mail leads, with parameters of its own."""


class PageRoute(CheckedRoute):
    """A route whose answers are for people.

    A form is sent to the address of its page, whatever that carries: its fields are in the body.
    """

    always: ClassVar[frozenset[str]] = frozenset({"done"})
    """What was done, as the page that a form leads to says."""

    def declare_query(self) -> frozenset[str] | None:
        """Return the parameters that a page takes."""
        is_open = self.path_format in FOREIGN or "GET" not in (self.methods or ())
        return None if is_open else super().declare_query()

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with what is refused turned into a page."""
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                answer = await handle(request)
            except NotAuthenticatedError:
                answer = to_login(request)
            except (RiskError, RequestValidationError, FormError) as error:
                answer = await render_refusal(request, error)
            for name, value in HEADERS.items():
                answer.headers.setdefault(name, value)
            return answer

        return handler


def to_login(request: Request) -> Response:
    """Redirect to the sign-in page, and from there back to the requested page.

    A form that comes without a session leads back to its page, which still has what was typed.
    """
    path, is_form = request.url.path, request.method != "GET"
    if is_form:
        page_path = urlsplit(request.headers.get("referer", "")).path
        path = path.rpartition("/")[0] if page_path in ("", path) else local(page_path)
    wanted = "" if path in ("", "/") else f"?next={quote(path)}"
    ended = ("&" if wanted else "?") + "ended=1" if is_form else ""
    return RedirectResponse(f"/login{wanted}{ended}", 303)


async def render_refusal(request: Request, error: Exception) -> Response:
    """Return a refusal as a page; it repeats nothing of what was sent.

    Who is signed in keeps the menu and their name; who is not, or may not be known, gets neither.
    """
    status = STATUS.get(type(error), HTTPStatus.UNPROCESSABLE_ENTITY)  # type: ignore[arg-type]
    visitor = await _visitor(request)
    values: dict[str, Any] = {
        "kind": int(status),
        "why": type(error).__name__,
        "cause": getattr(error, "cause", ""),
        "record": error.record if isinstance(error, RecordError) else "",
        "unknown": _unknown_parameters(error),
        "roles": _list_roles(request) if status == HTTPStatus.FORBIDDEN else [],
        "wrong": corrections(getattr(error, "mistakes", ()), speech_of(request)),
        "visitor": visitor,
        "post": None if visitor is None else visitor.caller.post,
    }
    answer = page(request, "refused.html", status=status, **values)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer.headers["Retry-After"] = str(RETRY_SECONDS)
    return answer


def _list_roles(request: Request) -> list[str]:
    """Return the roles that may open a page or take its step."""
    route = request.scope.get("route")
    rule = ROUTES.get(json_route(request.method, getattr(route, "path", "")))
    return [] if rule is None else [one.value for one in Role if one in rule.roles - MACHINES]


def _unknown_parameters(error: Exception) -> list[str]:
    faults = error.errors() if isinstance(error, RequestValidationError) else ()
    return [one["loc"][1] for one in faults if one["type"] == "extra_forbidden"]


async def answer_unknown(request: Request, error: Exception) -> Response:
    """Answer an address that nothing is at: a page for a browser, a problem for a machine."""
    is_browser = "text/html" in request.headers.get("accept", "")
    is_missing = isinstance(error, HTTPException) and error.status_code == HTTPStatus.NOT_FOUND
    if not (is_browser and is_missing) or request.url.path.startswith("/v1/"):
        return await answer_http(request, error)
    answer = await render_refusal(request, NotFoundError("page", ""))
    answer.headers.update(HEADERS)
    return answer


async def _visitor(request: Request) -> Visitor | None:
    try:
        return await identify(request, request.app.state.runtime)
    except RiskError:
        return None


def local(path: str) -> str:
    """Return a path of this site as it is, and the first page for anything else."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_ours and "\\" not in path else "/"
