"""Dependencies of routes: the running service, the caller, the sender's idempotency key.

And the class of all routes, which refuses parameters of the query that a route does not declare.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Header, Query, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from api.auth.callers import Caller
from api.auth.sessions import SAFE, check_origin, is_used_by_person, token_of
from api.service.runtime import Runtime
from api.service.sign_in import SignInService
from engine.domain.field_types import Identifier

LONGEST_IDEMPOTENCY_KEY = 255
_NAMES = "Names the request, so that sending it again changes nothing."
_BEARER = HTTPBearer(auto_error=False, description="A key made by `darvoza keys create`.")


async def running_service(request: Request) -> object:
    """Return the running service; async, because FastAPI runs plain functions in another thread."""
    return request.app.state.runtime


TheService = Annotated[Runtime, Depends(running_service)]
TheSignIn = Annotated[SignInService, Depends(running_service)]
"""The part of a service that knows its callers; an exercise's service has it, too."""


async def caller_of(
    request: Request, service: TheSignIn, _: Annotated[object, Depends(_BEARER)]
) -> Caller:
    """Return who calls, if they may call this route at all; runs before any body is read."""
    header = request.headers.get("authorization")
    if header is None and (cookie := token_of(request)):
        caller = await _signed_in(request, service, cookie)
    elif (known := service.callers.find_remembered(header)) is not None:
        caller = known
    else:
        caller = await service.executors.look_up_once(service.callers.look_up, header or "")
    return caller.enter(request.method, request.scope["route"].path_format)


async def _signed_in(request: Request, service: SignInService, cookie: str) -> Caller:
    """Return who holds a session; what changes anything must not come from another site."""
    if request.method not in SAFE:
        check_origin(request, is_owed=True)
    look_up = partial(service.sessions.caller, is_used=is_used_by_person(request))
    return await service.executors.look_up(look_up, cookie)


TheCaller = Annotated[Caller, Depends(caller_of)]


async def idempotency_key(
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description=_NAMES,
            min_length=1,
            max_length=LONGEST_IDEMPOTENCY_KEY,
        ),
    ] = None,
) -> str | None:
    """Return the sender's key for this request, None where it gave none."""
    return key


IdempotencyKey = Annotated[str | None, Depends(idempotency_key)]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class CheckedRoute(APIRoute):
    """A route that refuses a query parameter that it does not declare, such as a mistyped name.

    The route compares the names after the caller is known and the body was read. A request without
    a query needs no comparison.
    """

    always: ClassVar[frozenset[str]] = frozenset()
    """Parameters that every route of the class takes."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.query_names = self.declare_query()
        if self.query_names is not None:
            check = Dependant(call=_check_query, request_param_name="request")
            self.dependant.dependencies.append(check)

    def declare_query(self) -> frozenset[str] | None:
        """Return the parameters that the route takes, None where it takes any."""
        shown = (self.openapi_extra or {}).get("parameters", ())
        names = {one["name"] for one in shown if one["in"] == "query"}
        return self.always | names | set(_list_names(self.dependant))


def _list_names(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for one in dependant.dependencies:
        yield from _list_names(one)


async def _check_query(request: Request) -> None:
    """Raise ``RequestValidationError`` where the query names what the route does not declare."""
    if not request.scope["query_string"]:
        return
    known: frozenset[str] = request.scope["route"].query_names
    if unknown := request.query_params.keys() - known:
        why = f"no parameter of this route, which takes: {', '.join(sorted(known)) or 'none'}"
        raise RequestValidationError(
            [
                {"loc": ("query", show_name(name)), "type": "extra_forbidden", "msg": why}
                for name in sorted(unknown)[:MOST_NAMED]
            ]
        )


MOST_NAMED = 20
"""Unknown parameters that one refusal names."""


def show_name(name: str) -> str:
    """Return a parameter's name as a refusal repeats it: ``?`` for what could be no name of ours.

    >>> show_name("limt"), show_name("01A123BC")
    ('limt', '?')
    """
    return name if _NAME.fullmatch(name) else "?"


_DID_IT = "Who did it, where that is not the team that was drawn."
Team = Annotated[Identifier | None, Query(description=_DID_IT)]
"""The team or officer that inspected or released, by its code on the roster."""


def of_caller(make: Callable[[Runtime, Caller, str | None], object]) -> Any:
    """Return the dependency on what takes a caller's steps, once for each idempotency key."""

    async def open_for(caller: TheCaller, service: TheService, key: IdempotencyKey) -> object:
        return make(service, caller, key)

    return Depends(open_for)
