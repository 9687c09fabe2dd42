"""People and keys over HTTP."""

from typing import Annotated

from fastapi import Depends, Path, Response

from api.http.dependencies import TheCaller, TheService
from api.http.request_bodies import body_of
from api.http.responses import answer, creates, json_router
from api.people.answers import AccountEnd, PeopleAnswer, list_people
from api.people.steps import AccountEnds, AccountRemoval, AccountWithdrawal
from engine.domain.records import Identifier

router = json_router("/v1/people", "people")
ProposalId = Annotated[Identifier, Path()]


@router.get("", response_model=PeopleAnswer)
def people(caller: TheCaller, service: TheService) -> Response:
    """List people, keys, and what was proposed about them."""
    return answer(list_people(service, caller))


@router.post(
    "/proposals/{proposal}/withdrawals",
    **creates(AccountEnd, 404, 409, 413, body=AccountWithdrawal, is_owed=False),
)
def withdraw(
    caller: TheCaller,
    service: TheService,
    proposal: ProposalId,
    _wanted: Annotated[AccountWithdrawal, Depends(body_of(AccountWithdrawal, is_owed=False))],
) -> Response:
    """End a proposal, or an invitation that was not redeemed; one administrator is enough."""
    return answer(AccountEnds(service, caller).withdraw(proposal), 201)


@router.post("/removals", **creates(AccountEnd, 404, 409, 413, body=AccountRemoval))
def remove(
    caller: TheCaller,
    service: TheService,
    wanted: Annotated[AccountRemoval, Depends(body_of(AccountRemoval))],
) -> Response:
    """Remove a person, or revoke a key, at once; one administrator is enough."""
    return answer(AccountEnds(service, caller).remove(wanted), 201)
