"""Which profiles are in force, and which of them fit an arrival.

A profile is an expression over records and features with a channel, a percentage of what fits, a
post and a validity. Assumes that profiles are few: what is in force is compiled again only when a
record about a profile was added. A profile that cannot be evaluated fits nothing; that is counted
and journalled once, and no decision fails for it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection

from engine.errors import ConflictError, ProfileRefusedError, RecordError
from engine.journal import Draft, Entry
from engine.matches import Match
from engine.ports import FeatureRows
from engine.profile_fields import Reader
from engine.profile_program import ProfileFailed, Program, context, program
from engine.profile_syntax import LONGEST
from engine.records import Arrival, PostCode, Record, Text, Time
from engine.times import DAY, MINUTE, micros, rfc3339
from engine.twokeys import Standing, proposal, standings, version

LONGEST_VALIDITY_DAYS = 366
MOST_STEPS = 1_000_000
"""Steps that all profiles that match at once may take together on the longest declaration: 0.3 s,
some milliseconds on an ordinary one."""
FLUSH = MINUTE
"""How often the counts of shadows are recorded, while there are any."""
COUNTED, FAILED = "profile_counted", "profile_failed"


def _printable(value: str) -> str:
    if not value.isprintable():
        raise PydanticCustomError("control_character", "one line of printable characters")
    return value


ProfileChannel = Literal["blue", "yellow", "red"]
Code = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9_-]{0,31}$")]


@dataclass(frozen=True, slots=True)
class Trial:
    """What a backtest needs to know of a profile."""

    expression: str
    channel: ProfileChannel = "red"
    percentage: float = 100.0
    post: str | None = None


class ProfileProposal(Record):
    """What somebody proposes."""

    code: Code
    """Its name for ever: a changed profile is another one."""
    title: Annotated[Text, Field(min_length=1, max_length=200)] | None = None
    expression: Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(_printable)]
    channel: ProfileChannel
    percentage: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = 100.0
    """Of what fits."""
    post: PostCode | None = None
    """Where it holds; everywhere without one."""
    valid_from: Time | None = None
    """Without one it is valid as soon as it is approved."""
    valid_until: Time
    note: Text | None = None
    instead_of: Code | None = None
    """Whose place it shall take, for whoever compares the two: that one leaves on its own."""

    @property
    def trial(self) -> Trial:
        """What a backtest needs to know of it; its validity does not count there."""
        return Trial(self.expression, self.channel, self.percentage, self.post)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.valid_from is not None and self.valid_until <= self.valid_from:
            raise PydanticCustomError("validity", "valid_until must come after valid_from")
        return self


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile as it stands."""

    standing: Standing
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
        """Tell whether its time has come and is not over."""
        begins = self.proposed.valid_from
        begun = begins is None or as_of >= micros(begins)
        return begun and as_of < micros(self.proposed.valid_until)


def propose(proposed: ProfileProposal, *, by: str, now: int) -> Draft:
    """Return the record of a proposal; raises ``RecordError`` for a validity that is too long."""
    begins = now if proposed.valid_from is None else micros(proposed.valid_from)
    if not now < micros(proposed.valid_until) <= begins + LONGEST_VALIDITY_DAYS * DAY:
        why = f"must lie ahead, at most {LONGEST_VALIDITY_DAYS} days after valid_from"
        raise RecordError("profile", "valid_until", "validity", why)
    content = proposed.model_dump(mode="json", exclude_none=True)
    return proposal("profile", proposed.code, by=by, content=content, post=proposed.post or "")


def profiles(connection: Connection) -> dict[str, Profile]:
    """Return every profile by its code."""
    return {code: read(found) for code, found in standings(connection, "profile").items()}


def must_be_bearable(
    connection: Connection, entering: Profile, *, names: Sequence[str], as_of: int
) -> None:
    """Raise ``ConflictError`` where profiles would take too long with one more of them."""
    steps = 0
    for code, known in profiles(connection).items():
        if code == entering.code or known.state(as_of) in ("shadow", "in_force"):
            try:
                steps += program(known.proposed.expression, features=names).steps
            except ProfileRefusedError:  # it fits nothing any more, see ProfileMatcher
                continue
    if steps > MOST_STEPS:
        why = f"all profiles together would take {steps:,} steps, more than {MOST_STEPS:,}"
        raise ConflictError("profile", entering.code, why)


def read(found: Standing) -> Profile:
    """Return a standing with what was proposed."""
    return Profile(found, ProfileProposal.model_validate(found.content, strict=False))


@dataclass(frozen=True, slots=True)
class _Compiled:
    profile: Profile
    program: Program


class ProfileMatcher:
    """Finds the profiles that fit; implements ``engine.matches.Matcher``. One thread at a time."""

    def __init__(
        self,
        submit: Callable[[Draft], "Future[Entry]"],
        names: Sequence[str],
        *,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """``names`` are those of the features; ``failed`` is told of each failed evaluation."""
        self._submit = submit
        self._names = tuple(names)
        self._columns = {name: place for place, name in enumerate(names)}
        self._failed = failed
        self._version = -1
        self._compiled: list[_Compiled] = []
        self._reader = Reader((), {})
        self._told: set[tuple[str, int]] = set()
        self._shadows: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()
        self._flushed = 0

    def matches(
        self,
        snapshot: Connection,
        arrivals: Sequence[Arrival],
        rows: FeatureRows,
        *,
        as_of: int,
    ) -> Sequence[Sequence[Match]]:
        """Return, for each arrival, the profiles in force that fit it; shadows are counted."""
        self._load(snapshot)
        due = [one for one in self._compiled if one.profile.is_valid(as_of)]
        if not due:
            return [()] * len(arrivals)
        found = [
            self._of(arrival, rows.values[index], due) for index, arrival in enumerate(arrivals)
        ]
        if self._seen and as_of - self._flushed > FLUSH:
            self.flush(as_of)
        return found

    def flush(self, as_of: int) -> None:
        """Record what the shadows would have matched since the last time."""
        if not self._seen:
            return
        counts = {c: {"arrivals": n, "matches": self._shadows[c]} for c, n in self._seen.items()}
        self._submit(Draft(COUNTED, "", "", {"counts": counts, "until": rfc3339(as_of)}))
        self._seen.clear()
        self._shadows.clear()
        self._flushed = as_of

    def _load(self, snapshot: Connection) -> None:
        """Compile what is in force or a shadow, where anything changed."""
        now = version(snapshot, "profile")
        if now == self._version:
            return
        standing = profiles(snapshot).values() if now else ()
        wanted = [p for p in standing if p.standing.state in ("in_force", "shadow")]
        self._compiled = [one for p in wanted if (one := self._compile(p)) is not None]
        needs = [name for one in self._compiled for name in one.program.needs]
        self._reader = Reader(needs, self._columns)
        self._version = now

    def _compile(self, profile: Profile) -> _Compiled | None:
        try:
            return _Compiled(profile, program(profile.proposed.expression, features=self._names))
        except ProfileRefusedError as error:  # a later release lacks a feature that it asks for
            self._tell(profile, type(error).__name__)
            return None

    def _of(self, arrival: Arrival, row: Any, due: Sequence[_Compiled]) -> tuple[Match, ...]:
        post, values = arrival.crossing.post, None
        found = []
        for one in due:
            proposed, standing = one.profile.proposed, one.profile.standing
            if proposed.post not in (None, post):
                continue
            if values is None:
                values = context(self._reader.values(arrival.crossing, arrival.declaration, row))
            is_shadow = standing.state == "shadow"
            if is_shadow:
                self._seen[one.profile.code] += 1
            if not self._fits(one, values):
                continue
            if is_shadow:
                self._shadows[one.profile.code] += 1
            else:
                found.append(as_match(one.profile))
        return tuple(found)

    def _fits(self, one: _Compiled, values: Any) -> bool:
        try:
            return one.program.fits(values)
        except ProfileFailed as error:
            self._tell(one.profile, str(error))
            return False

    def _tell(self, profile: Profile, error: str) -> None:
        """Count a failure, and journal the first of each profile in this process."""
        self._failed()
        known = (profile.code, profile.standing.sequence)
        if known not in self._told:
            self._told.add(known)
            self._submit(Draft(FAILED, profile.code, "", {"error": error}))


def as_match(profile: Profile) -> Match:
    """Return the match of a profile in force, as a decision keeps it."""
    proposed = profile.proposed
    return Match(
        "profile",
        profile.code,
        profile.standing.sequence,
        proposed.channel,
        proposed.percentage / 100.0,
    )


def fits_again(
    profile: Profile, arrival: Arrival, features: Mapping[str, float], *, names: Iterable[str]
) -> bool:
    """Tell whether a profile fits an arrival of the past, from its record and its features."""
    order = tuple(names)
    made = program(profile.proposed.expression, features=order)
    reader = Reader(made.needs, {name: place for place, name in enumerate(order)})
    row = [features[name] for name in order]
    return made.fits(context(reader.values(arrival.crossing, arrival.declaration, row)))


def shown(profile: Profile, as_of: int) -> dict[str, Any]:
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
