"""People who take steps by command, in a service that runs."""

from typing import Any

from api.auth.accounts import Accounts
from api.auth.callers import call_as
from api.people.steps import AGENCIES
from api.proposals.desk import ProposalDesk
from api.proposals.matters import Approval, ProposalMatter
from api.service.runtime import Runtime


def desk_of(runtime: Runtime, name: str) -> ProposalDesk:
    """Return what takes the steps of a person who gave a password."""
    authority = Accounts(runtime.store, runtime.network).look()
    person = authority.person(name)
    assert person is not None, name
    return ProposalDesk(runtime, call_as(person, authority), is_command=True)


def propose(runtime: Runtime, matter: ProposalMatter[Any], content: Any, *, by: str) -> str:
    """Let a person propose, and return the name of the proposal."""
    return desk_of(runtime, by).record(matter, content).entry.subject


def approve(runtime: Runtime, matter: ProposalMatter[Any], subject: str, *, by: str) -> Any:
    """Let a person approve a proposal."""
    return desk_of(runtime, by).approve(matter, subject, Approval())


def put_into_force(runtime: Runtime, table: Any, first: str, second: str) -> None:
    """Let two people put a table of agencies into force."""
    subject = propose(runtime, AGENCIES, table, by=first)
    approve(runtime, AGENCIES, subject, by=second)
