"""Agencies that share a post, and what each role of each agency may see, do and approve.

A table of agencies narrows what the routes permit to a role (:mod:`api.auth.permissions`); it
widens nothing. It is written as TOML, and what counts is the table that journal records put into
force: proposed by one person, approved by another. Without a table in force every agency may do
what its role may.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from engine.criteria.dual_control import ApprovalState, apply_event, to_event
from engine.domain.field_types import CODE, Code
from engine.domain.network import Network
from engine.domain.records import Record
from engine.domain.rights import Matter, Right, Role, Scope
from engine.domain.validation import read_document
from engine.errors import RecordError
from engine.journal.kinds import AGENCIES_APPROVED, AGENCIES_PROPOSED
from engine.journal.power_records import PowerRecord

AGENCY_KINDS = (AGENCIES_PROPOSED, AGENCIES_APPROVED)
ANY: Literal["*"] = "*"
WITHOUT = "none"
"""Stands in a table for people and keys without an agency."""
DUAL_CONTROL = frozenset(
    {
        Matter.SEIZURES,
        Matter.REVIEWS,
        Matter.WATCHLIST,
        Matter.POLICY,
        Matter.PROFILES,
        Matter.MODELS,
        Matter.PEOPLE,
    }
)
"""Matters in which a second person approves."""


RECORDED: Mapping[str, str] = MappingProxyType({"from": "the journal"})
"""Context in which a table is not checked again: one that a later version finds incomplete stays
in force, and permits nothing in a cell that no rule is about."""


Document = TypeVar("Document", bound=Record)
"""A document that two people put into force."""


class AgencyRule(Record):
    """What some roles of some agencies may do in some matters; ``*`` stands for all of them."""

    agencies: Annotated[tuple[Code | Literal["*"], ...], Field(min_length=1)]
    roles: Annotated[tuple[Role | Literal["*"], ...], Field(min_length=1)]
    matters: Annotated[tuple[Matter | Literal["*"], ...], Field(min_length=1)]
    see: Scope
    act: Scope
    approve: Scope

    def covers(self, agency: str, role: Role, matter: Matter) -> bool:
        """Tell whether this rule is about a cell."""
        return (
            not {ANY, agency}.isdisjoint(self.agencies)
            and not {ANY, role}.isdisjoint(self.roles)
            and not {ANY, matter}.isdisjoint(self.matters)
        )


class AgencyTable(Record):
    """A complete table of role, agency and matter: of several rules about a cell the first holds.

    An empty one restricts nothing.
    """

    agencies: Annotated[tuple[Code, ...], Field(max_length=16)] = ()
    two_agencies: tuple[Matter, ...] = ()
    """Matters in which the second person must be of another agency than the first."""
    rules: Annotated[tuple[AgencyRule, ...], Field(max_length=500)] = ()

    @model_validator(mode="after")
    def _check_completeness(self, info: ValidationInfo) -> Self:
        if info.context is RECORDED:
            return self
        known = {*self.agencies, WITHOUT}
        if WITHOUT in self.agencies or len(known) != len(self.agencies) + 1:
            raise _fault("agencies", "each agency stands here once, and none is no agency's code")
        if (self.agencies and not self.rules) or (self.rules and not self.agencies):
            raise _fault("rules", "a table has agencies and rules, or neither")
        named = {code for rule in self.rules for code in rule.agencies}
        if stray := sorted(named - known - {ANY}):
            raise _fault("rules", f"not among the agencies of the table: {', '.join(stray)}")
        if alone := sorted(set(self.two_agencies) - DUAL_CONTROL):
            raise _fault("two_agencies", f"no second person approves: {', '.join(alone)}")
        used = {self._find_rule(*cell) for cell in self.cells()}
        if None in used:
            cell = next(cell for cell in self.cells() if self._find_rule(*cell) is None)
            raise _fault("rules", "no rule is about {}, {}, {}".format(*cell))
        if idle := sorted(set(range(len(self.rules))) - used):
            raise _fault("rules", f"rule {idle[0] + 1} is never used: earlier rules cover it")
        return self

    def cells(self) -> Iterator[tuple[str, Role, Matter]]:
        """Yield every agency, role and matter; none where there is no agency."""
        if self.agencies:
            yield from product((*self.agencies, WITHOUT), Role, Matter)

    def scopes(self, agency: str | None, role: Role) -> dict[tuple[Matter, Right], Scope]:
        """Return what a role of an agency may do; an agency that the table lacks may do nothing."""
        found: dict[tuple[Matter, Right], Scope] = {}
        for matter, right in product(Matter, Right):
            at = self._find_rule(agency or WITHOUT, role, matter)
            is_known = agency is None or agency in self.agencies
            if not self.agencies:
                found[matter, right] = Scope.ALL
            elif at is None or not is_known:
                found[matter, right] = Scope.NONE
            else:
                found[matter, right] = getattr(self.rules[at], right)
        return found

    def _find_rule(self, agency: str, role: Role, matter: Matter) -> int | None:
        covering = (at for at, rule in enumerate(self.rules) if rule.covers(agency, role, matter))
        return next(covering, None)


def _fault(field_name: str, why: str) -> PydanticCustomError:
    return PydanticCustomError("incomplete_table", "{why}", {"field": field_name, "why": why})


@dataclass(frozen=True, slots=True)
class Duties:
    """What one role of one agency may see, do and approve, of which rows and at which posts."""

    agency: str | None = None
    scopes: Mapping[tuple[Matter, Right], Scope] = field(default_factory=dict)
    """Empty where nothing is restricted."""
    two_agencies: frozenset[Matter] = frozenset()
    posts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Agencies of each post that names any."""

    def scope(self, matter: Matter, right: Right) -> Scope:
        """Return whose rows a right is about."""
        return self.scopes.get((matter, right), Scope.ALL)

    def covers(self, matter: Matter, right: Right, agency: str | None) -> bool:
        """Tell whether a right reaches a row of an agency; None where the row has none."""
        scope = self.scope(matter, right)
        return scope is Scope.ALL or (scope is Scope.OWN and agency in (None, self.agency))

    def hidden_posts(self, matter: Matter, right: Right) -> frozenset[str]:
        """Return the posts of agencies that this right does not reach."""
        scope = self.scope(matter, right)
        if scope is Scope.ALL:
            return frozenset()
        if scope is Scope.NONE:
            return frozenset(self.posts)
        return frozenset(post for post, known in self.posts.items() if self.agency not in known)


def read_table(path: Path) -> AgencyTable:
    """Read a table of agencies; raises ``InputError`` naming the field and the rule."""
    return read_document(path, AgencyTable)


class DocumentHistory(Generic[Document]):
    """Versions of a document as journal records state them, and the one in force.

    An approval counts where its proposal names the version in force at that time: of two proposals
    made against the same version, the second one approved changes nothing. A version with a record
    that does not match the chain is broken: an edit of the store opens no door.
    """

    def __init__(self, empty: Document, *, name: str, approved: str) -> None:
        """``name`` is the field of a proposal that holds the document, ``approved`` a kind."""
        self.document = empty
        self._name, self._approved = name, approved
        self.sequence = 0
        """The record that put the document into force, 0 where none did."""
        self.content: Mapping[str, Any] = {}
        """The proposal of the document in force."""
        self.is_broken = False
        self.proposals: dict[str, ApprovalState] = {}
        self._unproven: set[str] = set()

    def apply(self, record: PowerRecord) -> None:
        """Take in one record, in the journal's order."""
        if record.body is None:
            self._unproven.add(record.subject)
        if record.subject in self._unproven:
            self.is_broken |= record.kind == self._approved
            return
        before = self.proposals.get(record.subject)
        now = apply_event(before, to_event(record), needs_evidence=False)
        if now is None:
            return
        self.proposals[record.subject] = now
        if now.state == "in_force" and now.content["instead_of"] == self.sequence:
            read = type(self.document).model_validate
            self.document = read(now.content[self._name], strict=False, context=RECORDED)
            self.content = now.content
            self.sequence, self.is_broken = now.sequence, False

    def pending(self) -> list[ApprovalState]:
        """Return the proposals that may still be approved."""
        return [
            one
            for one in self.proposals.values()
            if one.state == "proposed" and one.content["instead_of"] == self.sequence
        ]


class TableHistory(DocumentHistory[AgencyTable]):
    """The tables of agencies, and the one in force; a broken one restricts everything."""

    def __init__(self) -> None:
        super().__init__(AgencyTable(), name="table", approved=AGENCIES_APPROVED)

    def duties(self, role: Role, agency: str | None, posts: Mapping[str, frozenset[str]]) -> Duties:
        """Return what a role of an agency may do by the table in force."""
        if self.is_broken:
            closed = dict.fromkeys(product(Matter, Right), Scope.NONE)
            return Duties(agency, closed, DUAL_CONTROL, posts)
        if not self.document.agencies:
            return Duties(agency)
        scopes = self.document.scopes(agency, role)
        return Duties(agency, scopes, frozenset(self.document.two_agencies), posts)


def table_content(table: AgencyTable, instead_of: int) -> dict[str, Any]:
    """Return what the record of a proposal holds."""
    return {"table": table.model_dump(mode="json"), "instead_of": instead_of}


def agencies_by_post(network: Network) -> dict[str, frozenset[str]]:
    """Return the agencies of each post that names any."""
    return {code: frozenset(one.agencies) for code, one in network.posts.items() if one.agencies}


def list_agencies(network: Network) -> list[str]:
    """Return the agencies that any post of the network file names, by code."""
    return sorted(frozenset().union(*agencies_by_post(network).values()))


def check_agency(agency: str, network: Network, post: str | None) -> None:
    """Refuse a code that is malformed, or that the network file does not know.

    Raises ``RecordError``; where the network file names no agency, any code will do.
    """
    if CODE.fullmatch(agency) is None or agency == WITHOUT:
        why = "a lower-case letter, then at most 31 of a to z, 0 to 9 and _, and not none"
        raise RecordError("agency", "agency", "malformed_code", why)
    by_post = agencies_by_post(network)
    known = by_post.get(post or "") or frozenset(list_agencies(network))
    if known and agency not in known:
        where = f"the post {post}" if post else "any post"
        why = f"the network file does not name this agency for {where}"
        raise RecordError("agency", "agency", "unknown_enumeration", why)
