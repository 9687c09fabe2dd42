"""Redemption of an invitation: the secret that two administrators granted, shown once."""

from sqlalchemy import Connection

from api.auth.account_grants import AccountGrant, AccountRequest, are_codes
from api.auth.accounts import IssuedCredential
from api.auth.credential_commitment import FIELD
from api.auth.credentials import open_pepper
from api.people.proposals import CONTENT
from api.service.runtime import Runtime
from engine.domain.records import Record
from engine.errors import ConflictError, NotAuthenticatedError
from engine.journal.entries import Draft
from engine.journal.idempotency import claim
from engine.journal.kinds import KEY_CREATED, PASSWORD_CHANGED, USER_CREATED

_KINDS = {"person": USER_CREATED, "key": KEY_CREATED, "password": PASSWORD_CHANGED}


class Redemption(Record):
    """The use of an invitation, once."""


def redeem(service: Runtime, codes: tuple[str, str]) -> tuple[str, IssuedCredential]:
    """Make the secret of an invitation, and return what was granted with it.

    Raises ``NotAuthenticatedError`` where no open invitation has these two codes,
    ``ConflictError`` where it was redeemed meanwhile, and what
    :meth:`api.auth.accounts.Accounts.draft_granted` raises.
    """
    pepper = open_pepper(service.home)
    granted = _find(service, codes, pepper)
    subject, content = granted.state.subject, granted.content
    wanted = AccountRequest.model_validate(
        {name: content[name] for name in CONTENT if name in content}, strict=False
    )
    post = "" if wanted.grant == "password" else wanted.post or ""
    kind = _KINDS[wanted.grant]
    asked = claim(kind, Redemption(), post=post, name=f"invitation:{subject}", about=subject)
    made: list[tuple[IssuedCredential, str]] = []
    if wanted.grant == "key":
        service.accounts.check_node(wanted.post)

    def draft(_: Connection) -> Draft:
        issued, record = service.accounts.draft_granted(wanted, grant=subject, pepper=pepper)
        record.body["claim"] = asked.as_dict()
        made.append((issued, record.body[FIELD]))
        return record

    done = service.recording.once(asked, draft)
    for issued, commitment in made:
        if done.body[FIELD] == commitment:
            if wanted.grant == "key":
                service.accounts.send_key(issued, wanted.owner)
            return wanted.grant, issued
    raise ConflictError("invitation", subject, "it was redeemed already")


def _find(service: Runtime, codes: tuple[str, str], pepper: bytes) -> AccountGrant:
    with service.store.read() as connection:
        now = service.journal.now(connection)
    for one in service.accounts.look().grants.every():
        is_open = one.phase(now) == "approved" and one.content["grant"] in _KINDS
        if is_open and are_codes(codes, one.state.subject, pepper):
            return one
    raise NotAuthenticatedError
