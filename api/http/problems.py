"""One place where an error becomes an HTTP problem (RFC 9457), never repeating what was sent."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from engine import errors
from engine.domain.validation import rule_of
from engine.errors import RiskError
from engine.storage.database import CommitUnknownError

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2
"""How long a caller waits before it asks a service again that could not take the record."""

STATUS: dict[type[RiskError], HTTPStatus] = {
    errors.RecordError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnknownPostError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotFoundError: HTTPStatus.NOT_FOUND,
    errors.ErasedError: HTTPStatus.GONE,
    errors.ConflictError: HTTPStatus.CONFLICT,
    errors.FilesFullError: HTTPStatus.CONFLICT,
    errors.TooManyAmendmentsError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.StoreUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    CommitUnknownError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DamagedStoreError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.OtherSideError: HTTPStatus.BAD_GATEWAY,
    errors.TamperedBundleError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.NoModelError: HTTPStatus.NOT_FOUND,
    errors.PromotionRefusedError: HTTPStatus.CONFLICT,
    errors.NotEnoughDataError: HTTPStatus.CONFLICT,
    errors.ProfileRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SecondPersonError: HTTPStatus.FORBIDDEN,
    errors.LapsedProposalError: HTTPStatus.CONFLICT,
    errors.BusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooCostlyError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotAuthenticatedError: HTTPStatus.UNAUTHORIZED,
    errors.NotAllowedError: HTTPStatus.FORBIDDEN,
    errors.HomeError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.InputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ServiceStartError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.BodyTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.MalformedBodyError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.AmbiguousHeadError: HTTPStatus.BAD_REQUEST,
    errors.EnvelopeRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.MalformedMessageError: HTTPStatus.BAD_REQUEST,
    errors.UnsupportedMessageError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}
"""Every error of the domain and its status; a test finds the one that is missing."""

SILENT: dict[type[RiskError], str] = {
    errors.UnknownPostError: "the network has no such post",
    errors.NoModelError: "no model has this version",
}
"""What is said of errors that name on the command line what was asked for."""

TITLES: dict[int, str] = {
    400: "BadRequest",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    413: "BodyTooLarge",
    415: "UnsupportedMediaType",
    422: "Malformed",
    500: "Internal",
    503: "StoreUnavailable",
}
"""Titles of problems that are no error of the domain."""


def kinds(status: int) -> list[str]:
    """Return the titles of the problems that have a status."""
    ours = [
        error.__name__.removesuffix("Error") for error, known in STATUS.items() if known == status
    ]
    return sorted({*ours, *([TITLES[status]] if status in TITLES else [])})


REFUSAL = "darvoza.refusal"
"""Where the scope of a request holds the body of the problem that it was answered with."""


class ProblemResponse(JSONResponse):
    """A response body of type ``application/problem+json``."""

    media_type = MEDIA_TYPE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and leave the problem for the count of refusals of the key."""
        scope[REFUSAL] = self.body
        await super().__call__(scope, receive, send)


def install(app: FastAPI) -> None:
    """Teach ``app`` to answer every refusal as a problem."""
    app.add_exception_handler(RiskError, _answer_refusal)
    app.add_exception_handler(RequestValidationError, _answer_malformed)
    app.add_exception_handler(HTTPException, answer_http)


async def _answer_refusal(request: Request, error: Exception) -> ProblemResponse:
    return refusal(error, instance=instance_of(request))


def refusal(error: BaseException, *, instance: str) -> ProblemResponse:
    """Return the problem that an error of the domain is; any other is a fault of ours."""
    if not isinstance(error, RiskError):
        return answer_fault(instance)
    status = STATUS.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)
    title = type(error).__name__.removesuffix("Error")
    fields = getattr(error, "fields", None)
    more = {"fields": fields} if fields else {}
    detail = SILENT.get(type(error)) or str(error)
    return problem(status, title, detail, instance=instance, **more)


async def _answer_malformed(request: Request, error: Exception) -> ProblemResponse:
    """Say where a path, query or header is at fault and why, never what it was."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    fields = [
        {
            "at": ".".join(map(str, e["loc"])),
            "rule": rule_of(e["type"], e.get("ctx")),
            "why": e["msg"],
        }
        for e in found
    ]
    detail = "the request does not fit the schema"
    return problem(422, TITLES[422], detail, instance=instance_of(request), fields=fields)


async def answer_http(request: Request, error: Exception) -> ProblemResponse:
    """Return the problem of a refusal by the framework: no such path, no such method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    title = TITLES.get(status, HTTPStatus(status).phrase.title().replace(" ", ""))
    found = problem(status, title, HTTPStatus(status).phrase, instance=instance_of(request))
    found.headers.update(headers or {})
    return found


def answer_fault(route: str) -> ProblemResponse:
    """Return the answer to a fault of ours: the log has its kind, the caller has nothing."""
    return problem(500, TITLES[500], "the service failed", instance=route)


def instance_of(request: Request) -> str:
    """Name the route: the path itself holds identifiers, which no problem repeats."""
    return getattr(request.scope.get("route"), "path_format", "/")


def problem(status: int, title: str, detail: str, *, instance: str, **more: Any) -> ProblemResponse:
    """Return a problem; what may be tried again says when."""
    headers = {}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_SECONDS)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    body = {
        "type": f"/problems/{title}",
        "title": title,
        "status": int(status),
        "detail": detail,
        "instance": instance,
    }
    return ProblemResponse(body | more, status_code=int(status), headers=headers)
