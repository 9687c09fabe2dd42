"""The page of people and keys, for administrators: who may do what, and forms to change it."""

import secrets
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.auth.account_grants import AccountRequest
from api.http.dependencies import TheService
from api.people.proposals import CONTENT, AccountRemoval, AccountWriter
from api.people.reads import list_people
from api.people.routes import ProposalId
from api.service.runtime import Runtime
from api.web.field_errors import corrections
from api.web.form_fields import FieldMistake, FormError, FormReader, TheReader
from api.web.i18n import N_
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.visitor import Form, TheForm
from engine.domain.rights import Role
from engine.errors import ConflictError, NotAllowedError, NotFoundError, RecordError

router = APIRouter(prefix="/people", route_class=PageRoute, include_in_schema=False)
NAMES = {
    "grant": N_("What is granted"),
    "name": N_("Name"),
    "role": N_("Role"),
    "post": N_("Post"),
    "agency": N_("Agency"),
    "owner": N_("Owner of the key"),
}
GRANTS = ("person", "key", "role", "password")


@router.get("")
def show(visit: TheVisit, service: TheService) -> Response:
    """Show every person, key and proposal."""
    return _page(visit, service, kept={})


@router.post("/proposals")
def propose(visit: TheVisit, service: TheService, form: TheForm, reader: TheReader) -> Response:
    """Propose a grant, and show the proposer's code once."""
    try:
        made = _propose(visit, service, reader)
    except FormError as error:
        return _page(visit, service, kept=form, wrong=error.mistakes)
    except RecordError as error:
        return _page(visit, service, kept=form, wrong=(FieldMistake(error.field, error.rule),))
    except ConflictError:
        return _page(visit, service, kept=form, wrong=(FieldMistake("name", "name_taken"),))
    except NotFoundError as error:
        at = {"post": "post"}.get(error.kind, "owner" if form.get("grant") == ["key"] else "name")
        return _page(visit, service, kept=form, wrong=(FieldMistake(at, "not_known"),))
    except NotAllowedError as error:
        if error.cause:
            raise
        return _page(visit, service, kept=form, wrong=(FieldMistake("role", "not_grantable"),))
    return _page(visit, service, kept={}, shown=made)


@router.post("/proposals/{proposal}/approvals")
def approve(visit: TheVisit, service: TheService, _: TheForm, proposal: ProposalId) -> Response:
    """Grant what another administrator proposed, and show the approver's code once."""
    made = AccountWriter(service, visit.caller).approve(proposal)
    return _page(visit, service, kept={}, shown=made)


@router.post("/proposals/{proposal}/withdrawals")
def withdraw(visit: TheVisit, service: TheService, _: TheForm, proposal: ProposalId) -> Response:
    """End a proposal or an invitation."""
    AccountWriter(service, visit.caller).withdraw(proposal)
    return RedirectResponse("/people?done=withdrawn#done", 303)


@router.post("/removals")
def remove(visit: TheVisit, service: TheService, _: TheForm, reader: TheReader) -> Response:
    """Remove a person, or revoke a key; the form asks for its own confirmation."""
    if not reader.text("sure"):
        mistake = FieldMistake("sure", "missing_key")
        return _page(visit, service, kept={}, wrong=(mistake,))
    wanted = reader.finish(reader.record(AccountRemoval, reader.texts("name", "key_id")))
    AccountWriter(service, visit.caller).remove(wanted)
    return RedirectResponse("/people?done=removed#done", 303)


def _propose(visit: Visit, service: Runtime, reader: FormReader) -> dict[str, Any]:
    once = reader.once()
    wanted = reader.finish(reader.record(AccountRequest, reader.texts(*CONTENT)))
    return AccountWriter(service, visit.caller, once).propose(wanted)


def _page(
    visit: Visit,
    service: Runtime,
    *,
    kept: Form,
    wrong: Sequence[FieldMistake] = (),
    shown: dict[str, Any] | None = None,
) -> Response:
    found = list_people(service, visit.caller)
    return visit.page(
        "people.html",
        status=422 if wrong else 200,
        json_address="/v1/people",
        people=found["people"],
        keys=found["keys"],
        proposals=found["proposals"],
        grants=GRANTS,
        roles=tuple(Role),
        posts=tuple(service.network.posts),
        kept=dict(kept),
        wrong=corrections(wrong, visit.speech, names=NAMES),
        once=secrets.token_hex(12),
        shown=shown,
    )
