"""Accounts that two administrators grant: new people and keys, other roles, new passwords.

A grant is proposed by one administrator and approved by another, by the machine of dual control
(:mod:`engine.criteria.dual_control`). Another role counts from the approval on. A secret is made
when its invitation is redeemed: the invitation has two codes, of which each administrator was shown
one, so neither of them alone can take up what is meant for a third person. A record that names a
grant counts only where the grant was approved by two, is not withdrawn, is not past its time and
was not used before, and states what was granted. Codes follow from the grant and the home's pepper:
no store keeps them.
"""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from api.auth.credentials import purpose_digest
from api.auth.permissions import BOUND, MACHINES, OWNED
from engine.criteria.dual_control import ApprovalState, apply_event, to_event
from engine.domain.field_types import Agency, Identifier, PostCode
from engine.domain.records import Record
from engine.domain.rights import Role
from engine.domain.time_units import DAY
from engine.journal.kinds import ACCOUNT_APPROVED, ACCOUNT_PROPOSED, ACCOUNT_WITHDRAWN
from engine.journal.power_records import PowerRecord

GRANT_KINDS = (ACCOUNT_PROPOSED, ACCOUNT_APPROVED, ACCOUNT_WITHDRAWN)
GrantKind = Literal["person", "key", "role", "password"]
GrantPhase = Literal["proposed", "approved", "used", "withdrawn", "lapsed"]
OPEN_TIME = 7 * DAY
"""How long a proposal waits for its approval, and an approved one for its redemption."""
OVERLAP = 7 * DAY
"""How long a key still opens after the one that replaces it was made."""
_CODE_BYTES = 10
_HALVES = ("proposal", "approval")


class AccountRequest(Record):
    """What one administrator asks another to grant."""

    grant: GrantKind
    """A new ``person`` or ``key``, another ``role`` of a person, or a new ``password`` for one."""
    name: Identifier | None = None
    """The person; a key gets its name when it is made."""
    role: Role | None = None
    post: PostCode | None = None
    """The one post that is reached; without it every post is."""
    agency: Agency = None
    owner: Identifier | None = None
    """The person who answers for a key."""
    label: Identifier | None = None
    """What a key is for, in words."""
    replaces: Identifier | None = None
    """The key that a new one takes the place of; it opens for :data:`OVERLAP` longer."""

    @model_validator(mode="after")
    def _check_completeness(self) -> Self:
        has_role = self.grant != "password"
        for field, why, is_right in (
            ("name", "a key is named when it is made", self.grant != "key" or self.name is None),
            ("name", "name the person", self.grant == "key" or self.name is not None),
            ("role", "name the role", not has_role or self.role is not None),
            ("role", "a new password changes no role", has_role or self.role is None),
            ("role", "this role is for machines", self.grant == "key" or self.role not in MACHINES),
            ("post", "this role is for one post: name it", self.role not in BOUND or self.post),
            ("post", "a new password changes no post", has_role or self.post is None),
            ("agency", "a new password changes no agency", has_role or self.agency is None),
            ("owner", "only a key has an owner", self.grant == "key" or self.owner is None),
            ("label", "only a key has a label", self.grant == "key" or self.label is None),
            ("replaces", "only a key is replaced", self.grant == "key" or self.replaces is None),
            (
                "owner",
                "a key of this role needs an owner",
                self.grant != "key" or self.role not in OWNED or self.owner,
            ),
        ):
            if not is_right:
                raise PydanticCustomError("unfit_grant", "{why}", {"field": field, "why": why})
        return self


@dataclass(frozen=True, slots=True)
class AccountGrant:
    """One grant as records state it."""

    state: ApprovalState
    is_withdrawn: bool
    is_used: bool

    @property
    def content(self) -> Mapping[str, Any]:
        """What was proposed."""
        return self.state.content

    @property
    def until(self) -> int:
        """When it lapses if nothing happens: UTC microseconds."""
        return self.state.since + OPEN_TIME

    def phase(self, now: int) -> GrantPhase:
        """Return where it stands at an instant, UTC microseconds."""
        if self.is_withdrawn:
            return "withdrawn"
        if self.is_used:
            return "used"
        if self.until <= now:
            return "lapsed"
        return "approved" if self.state.state == "in_force" else "proposed"


class GrantHistory:
    """Every grant that was proposed, in the journal's order."""

    def __init__(self) -> None:
        self._states: dict[str, ApprovalState] = {}
        self._closed: set[str] = set()
        self._used: set[str] = set()
        self._unproven: set[str] = set()

    def apply(self, record: PowerRecord) -> ApprovalState | None:
        """Take in a record; return a change of role that it puts into force, else None."""
        if record.kind == ACCOUNT_WITHDRAWN:
            self._closed.add(record.subject)
            return None
        if record.body is None:
            self._unproven.add(record.subject)
        if record.subject in self._unproven:
            return None
        before = self._states.get(record.subject)
        if before is not None and not self._is_open(before, record):
            return None
        now = apply_event(before, to_event(record), needs_evidence=False)
        if now is None:
            return None
        self._states[record.subject] = now
        is_change = now.state == "in_force" and now.content["grant"] == "role"
        if is_change:
            self._used.add(record.subject)
        return now if is_change else None

    def use(self, record: PowerRecord, kind: GrantKind) -> bool:
        """Use up the grant that a record of a new secret names.

        Returns False where nothing of this kind was granted, or something else than the record
        states. A record without a grant was made on the command line of the home, and counts.
        """
        body = record.body or {}
        if "grant" not in body:
            return True
        now = self._states.get(str(body["grant"]))
        if now is None or now.state != "in_force" or not self._is_open(now, record):
            return False
        content = now.content
        stated: dict[str, object] = {} if kind == "key" else {"name": record.subject}
        if kind != "password":
            stated |= {"post": record.post or None}
            names = ("role", "agency", "owner", "label", "replaces")
            stated |= {name: body.get(name) for name in names}
        is_right = content["grant"] == kind and now.subject not in self._used
        if not is_right or any(content.get(name) != value for name, value in stated.items()):
            return False
        self._used.add(now.subject)
        return True

    def find(self, subject: str) -> AccountGrant | None:
        """Return one grant, None where no proven record states it."""
        state = self._states.get(subject)
        if state is None or subject in self._unproven:
            return None
        return AccountGrant(state, subject in self._closed, subject in self._used)

    def every(self) -> list[AccountGrant]:
        """Return every grant, the oldest first."""
        return [found for one in self._states if (found := self.find(one)) is not None]

    def _is_open(self, state: ApprovalState, record: PowerRecord) -> bool:
        is_closed = state.subject in self._closed or state.subject in self._unproven
        return not is_closed and record.known_at < state.since + OPEN_TIME


def derive_codes(subject: str, pepper: bytes) -> tuple[str, str]:
    """Return the two codes of an invitation: who proposes is shown one, who approves the other.

    Each has 80 bits, in groups that a person can read out.
    """
    first, second = (_derive_code(half, subject, pepper) for half in _HALVES)
    return first, second


def are_codes(given: tuple[str, str], subject: str, pepper: bytes) -> bool:
    """Tell whether two texts are the codes of an invitation, in either order."""
    right = derive_codes(subject, pepper)
    typed = [_fold(one).encode("utf-8", "surrogatepass") for one in given]
    orders = (typed, typed[::-1])
    matched = [
        all(
            hmac.compare_digest(one, _fold(code).encode())
            for one, code in zip(order, right, strict=True)
        )
        for order in orders
    ]
    return any(matched)


def _derive_code(half: str, subject: str, pepper: bytes) -> str:
    digest = purpose_digest("invitation", f"{half}\0{subject}", pepper)
    text = base64.b32encode(digest[:_CODE_BYTES]).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _fold(code: str) -> str:
    """Return a code as it is compared: what a person adds in reading it out does not matter."""
    return "".join(code.split()).replace("-", "").lower()
