"""People and keys over HTTP."""

from typing import Annotated

from fastapi import Depends, Path, Response

from api.http.answers import Acknowledged
from api.http.dependencies import TheCaller, TheService
from api.http.request_bodies import TheEmptyBody, body_of
from api.http.responses import answer, creates, document_problems, json_router
from api.people.answers import KeyUsage, PeopleAnswer, describe_usage, list_people
from api.people.steps import AccountEnds, AccountRemoval
from engine.domain.field_types import Identifier
from engine.domain.records import NoContent

router = json_router("/v1/people", "people")
ProposalId = Annotated[Identifier, Path()]
KeyId = Annotated[Identifier, Path()]


@router.get("", response_model=PeopleAnswer)
def people(caller: TheCaller, service: TheService) -> Response:
    """List people, keys, and what was proposed about them."""
    return answer(list_people(service, caller))


@router.get("/keys/{key_id}", response_model=KeyUsage, responses=document_problems(404))
def key(caller: TheCaller, service: TheService, key_id: KeyId) -> Response:
    """Return one key: what it called today, and why calls were refused."""
    return answer(describe_usage(service, caller, key_id))


@router.post(
    "/proposals/{proposal}/withdrawals",
    **creates(Acknowledged, 404, 409, 413, body=NoContent, is_owed=False),
)
def withdraw(
    caller: TheCaller,
    service: TheService,
    proposal: ProposalId,
    _wanted: TheEmptyBody,
) -> Response:
    """End a proposal, or an invitation that was not redeemed; one administrator is enough."""
    return answer(AccountEnds(service, caller).withdraw(proposal), 201)


@router.post("/removals", **creates(Acknowledged, 404, 409, 413, body=AccountRemoval))
def remove(
    caller: TheCaller,
    service: TheService,
    wanted: Annotated[AccountRemoval, Depends(body_of(AccountRemoval))],
) -> Response:
    """Remove a person, or revoke a key, at once; one administrator is enough."""
    return answer(AccountEnds(service, caller).remove(wanted), 201)
