"""Profiles: proposal, validity and state.

A profile is an expression over records and features with a channel, a percentage of what fits, a
post and a validity. Assumes that profiles are few: all of them are read from their records at each
call. Which of them fit an arrival is decided by :mod:`engine.criteria.profiles.matcher`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection

from engine.criteria.dual_control import ApprovalState, draft_proposal, read_approval_states
from engine.criteria.match import Match
from engine.criteria.profiles.parser import LONGEST
from engine.criteria.profiles.program import program
from engine.domain.records import PostCode, Record, Text, Time
from engine.domain.time_units import DAY, micros, rfc3339
from engine.errors import ConflictError, ProfileRefusedError, RecordError
from engine.explanation.messages import Message, render
from engine.journal.entries import Draft

LONGEST_VALIDITY_DAYS = 366
MOST_STEPS = 1_000_000
"""Steps that all profiles that match at once may take together on the longest declaration: 0.3 s,
some milliseconds on an ordinary one."""


def _printable(value: str) -> str:
    if not value.isprintable():
        raise PydanticCustomError("control_character", "one line of printable characters")
    return value


ProfileChannel = Literal["blue", "yellow", "red"]
Code = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9_-]{0,31}$")]


@dataclass(frozen=True, slots=True)
class BacktestSubject:
    """The part of a profile that a backtest needs."""

    expression: str
    channel: ProfileChannel = "red"
    percentage: float = 100.0
    post: str | None = None


class ProfileProposal(Record):
    """A proposed profile."""

    code: Code
    """Permanent name: a changed profile is a new profile."""
    title: Annotated[Text, Field(min_length=1, max_length=200)] | None = None
    expression: Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(_printable)]
    channel: ProfileChannel
    percentage: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = 100.0
    """Percentage of the matching arrivals that is selected."""
    post: PostCode | None = None
    """Where it holds; everywhere without one."""
    valid_from: Time | None = None
    """Without one it is valid as soon as it is approved."""
    valid_until: Time
    note: Text | None = None
    instead_of: Code | None = None
    """The profile that it replaces, for the comparison of both: that one is retired separately."""

    @property
    def trial(self) -> BacktestSubject:
        """The part that a backtest needs; a backtest ignores the validity."""
        return BacktestSubject(self.expression, self.channel, self.percentage, self.post)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.valid_from is not None and self.valid_until <= self.valid_from:
            raise PydanticCustomError("validity", "valid_until must come after valid_from")
        return self


@dataclass(frozen=True, slots=True)
class Profile:
    """A proposed profile and its state of approval."""

    standing: ApprovalState
    proposed: ProfileProposal

    @property
    def code(self) -> str:
        """Its name."""
        return self.standing.subject

    def state(self, as_of: int) -> str:
        """Return proposed, shadow, in_force, expired or retired."""
        if self.standing.state != "retired" and as_of >= micros(self.proposed.valid_until):
            return "expired"
        return self.standing.state

    def is_valid(self, as_of: int) -> bool:
        """Tell whether ``as_of`` lies within its validity."""
        begins = self.proposed.valid_from
        begun = begins is None or as_of >= micros(begins)
        return begun and as_of < micros(self.proposed.valid_until)


def draft_profile(proposed: ProfileProposal, *, by: str, now: int) -> Draft:
    """Return the record of a proposal; raises ``RecordError`` for a validity that is too long."""
    begins = now if proposed.valid_from is None else micros(proposed.valid_from)
    if not now < micros(proposed.valid_until) <= begins + LONGEST_VALIDITY_DAYS * DAY:
        why = f"must lie ahead, at most {LONGEST_VALIDITY_DAYS} days after valid_from"
        raise RecordError("profile", "valid_until", "validity", why)
    content = proposed.model_dump(mode="json", exclude_none=True)
    return draft_proposal(
        "profile", proposed.code, by=by, content=content, post=proposed.post or ""
    )


def read_profiles(connection: Connection) -> dict[str, Profile]:
    """Return every profile by its code."""
    return {
        code: to_profile(found)
        for code, found in read_approval_states(connection, "profile").items()
    }


def check_total_steps(
    connection: Connection, entering: Profile, *, names: Sequence[str], as_of: int
) -> None:
    """Raise ``ConflictError`` where all profiles with this one would take too many steps."""
    steps = 0
    for code, known in read_profiles(connection).items():
        if code == entering.code or known.state(as_of) in ("shadow", "in_force"):
            try:
                steps += program(known.proposed.expression, features=names).steps
            except ProfileRefusedError:  # it matches nothing any more, see ProfileMatcher
                continue
    if steps > MOST_STEPS:
        why = f"all profiles together would take {steps:,} steps, more than {MOST_STEPS:,}"
        raise ConflictError("profile", entering.code, why)


def to_profile(found: ApprovalState) -> Profile:
    """Return the profile of a state of approval."""
    return Profile(found, ProfileProposal.model_validate(found.content, strict=False))


def to_match(profile: Profile, figures: Sequence[Message]) -> Match:
    """Return the match of a profile in force, as a decision keeps it; ``figures`` say what fits."""
    proposed = profile.proposed
    return Match(
        source="profile",
        code=profile.code,
        sequence=profile.standing.sequence,
        channel=proposed.channel,
        share=proposed.percentage / 100.0,
        title=proposed.title or "",
        words="; ".join(map(render, figures)),
        parameters={"figures": [one.as_dict() for one in figures]},
    )


def profile_as_json(profile: Profile, as_of: int) -> dict[str, Any]:
    """Return a profile as JSON values."""
    standing, proposed = profile.standing, profile.proposed
    return {
        "id": profile.code,
        **proposed.model_dump(mode="json"),
        "state": profile.state(as_of),
        "is_valid": profile.is_valid(as_of),
        "author": standing.author,
        "approvals": list(standing.approvals),
        "proposed_at": rfc3339(standing.proposed_at),
        "since": rfc3339(standing.since),
        "leaving": standing.leaving and {"by": standing.leaving.by, "why": standing.leaving.why},
    }
