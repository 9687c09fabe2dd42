"""Matters that two people decide: who may take which step, and what follows from it.

Each matter is one :class:`ProposalMatter`, declared beside the knowledge of its subject. Its area
declares its records and events (:func:`engine.journal.areas.rule_steps`), one writer takes all
steps (:class:`api.proposals.desk.ProposalDesk`), and one rule says who may be the second person
(:meth:`api.auth.authority.Authority.must_second`).
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, TypeVar

from sqlalchemy import Connection

from api.areas import Route, list_doors
from api.auth.accounts import GOVERNORS
from api.auth.callers import Caller
from api.auth.permissions import RouteRule
from api.http.answers import AcknowledgedStep, Answer, acknowledge_step
from api.service.runtime import Runtime
from engine.criteria.dual_control import ApprovalState, read_approval_states
from engine.criteria.watchlist import list_identifiers
from engine.domain.field_types import Text
from engine.domain.records import Record
from engine.domain.rights import Matter, Right, Role
from engine.domain.validation import read_document
from engine.journal.areas import kinds_of, load_part
from engine.journal.batch_worker import StoredRecord
from engine.journal.entries import Draft

Content = TypeVar("Content", bound=Record)


class Approval(Record):
    """One person's agreement to what waits: that it comes into force, or that it leaves."""

    shadow: bool = False
    """Let a proposed profile match for a while without selecting."""
    note: Text | None = None
    EXAMPLE: ClassVar = {"shadow": False, "note": "As discussed at the morning briefing."}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a caller, in one snapshot of the store."""

    service: Runtime
    caller: Caller
    """As the caller enters the matter with the right of the step."""
    connection: Connection
    report: Callable[[str], None] = lambda _: None
    """Told what goes on in a step that takes long."""

    @property
    def now(self) -> int:
        """The journal's time, UTC microseconds."""
        return self.service.journal.now(self.connection)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalMatter(Generic[Content]):
    """One matter that two people decide."""

    name: str
    """As :func:`engine.journal.areas.rule_steps` has it."""
    content: type[Content]
    """What a proposal says."""
    about: Matter
    """By which the table of agencies restricts its steps."""
    shown: Route
    """The route that shows its proposals: whoever may call it sees them."""
    may: Mapping[Right, frozenset[Role]]
    """Roles that propose (``ACT``) and roles that approve; nobody approves an own proposal."""
    is_governing: bool = False
    """True if only a person who reaches every post takes its steps."""
    is_by_command: bool = False
    """True if its steps are taken by a person's password on the machine of the home."""
    is_of_post: bool = False
    """True if a caller of one post takes steps about that post alone."""
    open_time: int | None = None
    """How long a proposal can be approved, in microseconds; None for as long as it waits."""
    checks_people: bool = True
    """False if ``carry_out`` itself asks who may be the second person."""

    page: str = ""
    """The page that shows a proposal, with ``{}`` for its subject; empty without one."""

    subject: Callable[[Step, Content], str]
    """Returns the name of a new proposal."""
    post: Callable[[Caller, Content], str | None] = lambda _caller, _content: None
    """Returns the post that a proposal is about, None for all."""
    prepare: Callable[[Step, Content], Mapping[str, Any]]
    """Returns a content as it is recorded; raises what is wrong with it."""
    other_kinds: Sequence[str] = ()
    """Kinds of the records of its steps; none where :mod:`engine.journal.areas` has them."""
    is_notice: bool = False
    """True if one person's word is in force at once, until a second person confirms it."""
    read: Callable[[Connection], Mapping[str, ApprovalState]] | None = None
    """Returns the states of its proposals by subject; None where dual control alone says them."""
    is_shown: Callable[[Mapping[str, Any]], bool] = lambda _content: True
    """Tells whether what was recorded is a proposal of this resource."""
    find_end: Callable[[Step, ApprovalState], str] = lambda _step, _state: ""
    """Returns why nobody can approve a pending proposal any more; empty where somebody can."""
    check: Callable[[Step, ApprovalState], None] = lambda _step, _state: None
    """Raises why a proposal cannot come into force now."""
    complete: Callable[[ApprovalState, Draft[Any]], Draft[Any]] = lambda _state, draft: draft
    """Returns the record of an approval with what this matter adds to it."""
    carry_out: Callable[[Step, ApprovalState, Approval], Answer] | None = None
    """Records an approval together with what follows from it, outside of the snapshot of the step,
    and returns the answer; None where the record of the approval is all."""
    answer: Callable[[Runtime, StoredRecord], AcknowledgedStep] = acknowledge_step
    """Returns the answer to a recorded step."""
    load: Callable[[Path], Content] | None = None
    """Reads a content from a file; None where the file holds the content as TOML."""
    file: str = ""
    """The file of the home that a command reads where none is named."""

    @property
    def kinds(self) -> Sequence[str]:
        """Kinds of the records of its steps."""
        return self.other_kinds or kinds_of(self.name)

    def rule(self, right: Right) -> RouteRule:
        """Return who may take steps of a right."""
        return RouteRule(self.may.get(right, frozenset()), self.about, right)

    def read_states(self, connection: Connection) -> Mapping[str, ApprovalState]:
        """Return the states of its proposals by subject, the oldest first."""
        if self.read is not None:
            return self.read(connection)
        return read_approval_states(connection, self.name)

    def read_content(self, path: Path) -> Content:
        """Read a content from a file; raises ``InputError``."""
        return read_document(path, self.content) if self.load is None else self.load(path)


BY_GOVERNORS: Final[Mapping[str, Any]] = {
    "about": Matter.PEOPLE,
    "shown": ("GET", "/v1/people"),
    "may": dict.fromkeys((Right.ACT, Right.APPROVE), GOVERNORS),
    "is_governing": True,
    "is_by_command": True,
}
"""What matters have in common that two people of every post decide by command."""


def name_at_random(prefix: str) -> Callable[[Step, Any], str]:
    """Return what names each new proposal by a prefix and 64 random bits."""
    return lambda _step, _content: f"{prefix}-{secrets.token_hex(8)}"


def name_content(content: Mapping[str, Any]) -> str | None:
    """Return what people call a proposal, by its content; None if its subject is all there is.

    An entry is called by what it names or by its list, a change of policy by its setting.
    """
    named = ", ".join(list_identifiers(content).values())
    return named or content.get("list") or content.get("setting")


def load_late(name: str) -> Callable[..., Any]:
    """Return a function that is loaded when it is called: a service lacks some of its libraries."""
    return lambda *given: load_part(name)(*given)


MATTERS: Final = (
    "api.criteria.policy:POLICY",
    "api.profiles.steps:PROFILE",
    "api.criteria.watchlist:WATCH_LIST",
    "api.criteria.known_lawful:KNOWN_LAWFUL_TRADE",
    "api.models.steps:MODEL",
    "api.people.steps:ACCOUNT",
    "api.people.steps:AGENCIES",
    "api.audit.proposals:ERASURE",
    "api.audit.proposals:LOAD_WITHDRAWAL",
)
"""Where the matters of the core are declared. A name, and no import: subjects stand above."""


@cache
def list_matters() -> Mapping[str, ProposalMatter[Any]]:
    """Return the matters of the core and of every open area, by name."""
    names = (*MATTERS, *(name for doors in list_doors() for name in doors.matters))
    found: list[ProposalMatter[Any]] = [load_part(name) for name in names]
    return {one.name: one for one in found}
