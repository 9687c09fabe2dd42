"""The page of people and keys for administrators, and the page that redeems an invitation.

The second asks for two codes and shows the secret once. It is open to all, as the sign-in is,
because an invited person has no account yet. Wrong codes are slowed as wrong passwords are.
"""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.auth.account_grants import AccountRequest
from api.auth.accounts import IssuedCredential
from api.auth.agencies import list_agencies
from api.auth.credentials import is_token
from api.auth.permissions import MACHINES
from api.http.answers import AcknowledgedStep
from api.http.dependencies import TheService
from api.people.answers import describe_usage, list_people
from api.people.routes import KeyId, ProposalId
from api.people.steps import ACCOUNT, CONTENT, AccountEnds, AccountRemoval, redeem
from api.proposals.desk import ProposalDesk
from api.service.runtime import Runtime
from api.web.forms import FieldMistake, FormError, FormReader, TheReader, list_mistakes
from api.web.i18n import N_
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.sign_in_page import keep_cookie
from api.web.templates_env import page
from api.web.visitor import VISIT, Form, TheForm, new_visit, read_field, sent_form
from engine.domain.rights import Right, Role
from engine.errors import (
    ConflictError,
    NotAllowedError,
    NotAuthenticatedError,
    NotFoundError,
    RecordError,
    RiskError,
)

router = APIRouter(prefix="/people", route_class=PageRoute, include_in_schema=False)
NAMES = {
    "grant": N_("What is granted"),
    "name": N_("Name"),
    "role": N_("Role"),
    "post": N_("Post"),
    "agency": N_("Agency"),
    "owner": N_("Owner of the key"),
    "label": N_("What the key is for"),
}
GRANTS = {
    "person": ("name", "role", "post", "agency"),
    "key": ("label", "role", "post", "agency", "owner"),
    "role": ("name", "role", "post", "agency"),
    "password": ("name",),
}
"""What each kind of grant asks for."""


@router.get("")
def show(visit: TheVisit, service: TheService) -> Response:
    """Show every person, key and proposal."""
    return _page(visit, service, kept={})


@router.get("/keys/{key_id}")
def show_key(visit: TheVisit, service: TheService, key_id: KeyId) -> Response:
    """Show one key: when it called, what was refused and why, and the steps on it."""
    found = describe_usage(service, visit.caller, key_id)
    last = found.key.last_used_at
    silent = None if last is None else datetime.now(UTC) - datetime.fromisoformat(last)
    return visit.page(
        "key.html",
        json_address=f"/v1/people/keys/{key_id}",
        found=found,
        key=found.key,
        minutes=silent and silent / timedelta(minutes=1),
        proposes=visit.caller.permits(ACCOUNT.rule(Right.ACT)),
        once=secrets.token_hex(12),
    )


@router.post("/proposals")
def propose(visit: TheVisit, service: TheService, form: TheForm, reader: TheReader) -> Response:
    """Propose a grant, and show the proposer's code once."""
    try:
        made = _propose(visit, service, reader)
    except (FormError, RecordError) as error:
        return _page(visit, service, kept=form, wrong=list_mistakes(error))
    except ConflictError:
        return _page(visit, service, kept=form, wrong=(FieldMistake("name", "name_taken"),))
    except NotFoundError as error:
        fields = {"post": "post", "key": "replaces"}
        at = fields.get(error.kind, "owner" if form.get("grant") == ["key"] else "name")
        return _page(visit, service, kept=form, wrong=(FieldMistake(at, "not_known"),))
    except NotAllowedError as error:
        if error.cause:
            raise
        return _page(visit, service, kept=form, wrong=(FieldMistake("role", "not_grantable"),))
    return _page(visit, service, kept={}, shown=made)


@router.post("/proposals/{proposal}/withdrawals")
def withdraw(visit: TheVisit, service: TheService, _: TheForm, proposal: ProposalId) -> Response:
    """End a proposal or an invitation."""
    AccountEnds(service, visit.caller).withdraw(proposal)
    return RedirectResponse("/people?done=withdrawn#done", 303)


@router.post("/removals")
def remove(visit: TheVisit, service: TheService, _: TheForm, reader: TheReader) -> Response:
    """Remove a person, or revoke a key; the form asks for its own confirmation."""
    if not reader.text("sure"):
        mistake = FieldMistake("sure", "missing_key")
        return _page(visit, service, kept={}, wrong=(mistake,))
    wanted = reader.finish(reader.record(AccountRemoval, reader.texts("name", "key_id")))
    AccountEnds(service, visit.caller).remove(wanted)
    return RedirectResponse("/people?done=removed#done", 303)


def _propose(visit: Visit, service: Runtime, reader: FormReader) -> AcknowledgedStep:
    once = reader.once()
    wanted = reader.finish(reader.record(AccountRequest, reader.texts(*CONTENT)))
    return ProposalDesk(service, visit.caller, once).propose(ACCOUNT, wanted)


def _page(
    visit: Visit,
    service: Runtime,
    *,
    kept: Form,
    wrong: Sequence[FieldMistake] = (),
    shown: AcknowledgedStep | None = None,
) -> Response:
    found = list_people(service, visit.caller)
    return visit.form_page(
        "people.html",
        json_address="/v1/people",
        people=found.people,
        keys=found.keys,
        proposals=found.proposals,
        grants=GRANTS,
        names=NAMES,
        roles=[one for one in Role if one not in MACHINES],
        machines=sorted(MACHINES),
        posts=tuple(service.network.posts),
        agencies=list_agencies(service.network),
        proposes=visit.caller.permits(ACCOUNT.rule(Right.ACT)),
        approves=visit.caller.permits(ACCOUNT.rule(Right.APPROVE)),
        kept=kept,
        wrong=wrong,
        field_names=NAMES,
        shown=shown,
    )


invitation_router = APIRouter(prefix="/invitation", route_class=PageRoute, include_in_schema=False)
_LARGEST_FORM = 16 * 1024
_LONGEST_CODE = 40
_ATTEMPT = "invitation"
"""Counts in the place of a name: who redeems an invitation names none."""


@invitation_router.get("")
async def show_invitation(request: Request, service: TheService) -> Response:
    """Show the form."""
    return _render(request, service)


@invitation_router.post("")
async def take_up(request: Request, service: TheService) -> Response:
    """Make the secret of an invitation whose two codes are right, and show it once."""
    form = await sent_form(request, service, request.cookies.get(VISIT, ""), most=_LARGEST_FORM)
    codes = read_field(form, "first"), read_field(form, "second")
    address = request.client.host if request.client else ""
    if service.executors.sign_in.is_full:
        return _render(request, service, status=503)
    if seconds := service.sessions.attempts.begin(address, _ATTEMPT):
        return _render(request, service, status=429, seconds=seconds)
    made = await service.executors.sign_in.run(_try, service, codes)
    if made is None:
        return _render(request, service, status=401)
    service.sessions.attempts.record_success(address, _ATTEMPT)
    return _render(request, service, made=made)


def _try(
    service: Runtime, codes: tuple[str, str]
) -> tuple[str, IssuedCredential] | RiskError | None:
    """Return what was granted, the rule that forbids it by now, or None for wrong codes."""
    if any(not 0 < len(code) <= _LONGEST_CODE for code in codes):
        return None
    try:
        return redeem(service, codes)
    except (NotAuthenticatedError, ConflictError):
        return None
    except RiskError as error:
        return error


def _render(
    request: Request,
    service: Runtime,
    *,
    status: int = 200,
    seconds: int = 0,
    made: tuple[str, IssuedCredential] | RiskError | None = None,
) -> Response:
    visit = request.cookies.get(VISIT, "")
    visit = visit if is_token(visit) else new_visit()
    granted = made if isinstance(made, tuple) else None
    is_refused = isinstance(made, RiskError)
    values = {
        "form_token": service.sessions.form_token(visit),
        "visitor": None,
        "seconds": seconds,
        "failed": status == 401,
        "busy": status == 503,
        "is_refused": is_refused,
        "grant": "" if granted is None else granted[0],
        "issued": None if granted is None else granted[1],
    }
    status = 409 if is_refused else status
    answer = page(request, "invitation.html", status=status, **values)
    if seconds:
        answer.headers["Retry-After"] = str(seconds)
    keep_cookie(request, answer, VISIT, visit, seconds=3600)
    return answer
