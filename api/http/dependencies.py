"""Dependencies of routes: the running service, the caller, the sender's idempotency key."""

from typing import Annotated, Protocol

from fastapi import Depends, Header, Query, Request
from fastapi.security import HTTPBearer

from api.auth.accounts import Accounts
from api.auth.callers import Caller, Callers
from api.auth.sessions import SAFE, Sessions, check_origin, token_of
from api.oidc.sign_on import SignOn
from api.service.executors import Executors
from api.service.metrics import Metrics
from engine.domain.records import Identifier

LONGEST_IDEMPOTENCY_KEY = 255
_NAMES = "Names the request, so that sending it again changes nothing."
_BEARER = HTTPBearer(auto_error=False, description="A key made by `darvoza keys create`.")


class SignInService(Protocol):
    """The running service, as it identifies callers and visitors."""

    accounts: Accounts
    callers: Callers
    executors: Executors
    metrics: Metrics
    sessions: Sessions
    sign_on: SignOn


async def running_service(request: Request) -> object:
    """Return the running service; async, because FastAPI runs plain functions in another thread.

    A route names the protocol of what it uses; a test holds that the service fits them all.
    """
    return request.app.state.runtime


TheService = Annotated[SignInService, Depends(running_service)]


async def caller_of(
    request: Request, service: TheService, _: Annotated[object, Depends(_BEARER)]
) -> Caller:
    """Return who calls, if they may call this route at all; runs before any body is read."""
    header = request.headers.get("authorization")
    if header is None and (cookie := token_of(request)):
        caller = await _signed_in(request, service, cookie)
    elif (known := service.callers.find_remembered(header)) is not None:
        caller = known
    else:
        caller = await service.executors.look_up(service.callers.look_up, header)
    return caller.enter(request.method, request.scope["route"].path_format)


async def _signed_in(request: Request, service: SignInService, cookie: str) -> Caller:
    """Return who holds a session; what changes anything must not come from another site."""
    if request.method not in SAFE:
        check_origin(request, is_owed=True)
    return await service.executors.look_up(service.sessions.caller, cookie)


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

_DID_IT = "Who did it, where that is not the team that was drawn."
Team = Annotated[Identifier | None, Query(description=_DID_IT)]
"""The team or officer that inspected or released, by its code on the roster."""
