"""Profiles: proposal, validity and state, and the profiles in force that fit an arrival.

A profile is an expression over records and features with a channel, a percentage of the arrivals
that fit, a post and a validity. Templates ship switched off: one person proposes a template,
another approves it.

Assumes that profiles are few: all of them are read from their records at each call, and compiled
again only when a record about a profile was added. A profile that cannot be evaluated matches
nothing; the failure is counted and journalled once, and no decision fails because of it. Profiles
in shadow select nothing; the arrivals that they would have matched are counted.

A profile that states a hard fact says what no lawful passage can show: a lorry that left the
opposite post empty and arrives laden, for example. The expression decides whether it fits; a
sentence here says what was recorded there and here. All of it was declared or measured. What the
papers contradict has no other time than the arrival's, and states none.

A time in it is when the vehicle was at a post, where it is weighed, and not when the record of it
became known.
"""

import math
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection

from engine.criteria.dual_control import (
    ApprovalState,
    TimedState,
    read_approval_states,
    replay_records,
)
from engine.criteria.match import HardFact, Match
from engine.criteria.profiles.checker import ProfileFailed, Program, context, program
from engine.criteria.profiles.parser import LONGEST_EXPRESSION
from engine.criteria.profiles.readable_fields import Reader
from engine.domain.field_types import PostCode, Text, Time
from engine.domain.network import Network
from engine.domain.records import Arrival, Record
from engine.domain.time_units import DAY, HOUR, MINUTE, micros, rfc3339
from engine.errors import ConflictError, NotFoundError, ProfileRefusedError, RecordError
from engine.explanation.messages import Message, render
from engine.journal.areas import kinds_of
from engine.journal.entries import Draft, Entry
from engine.journal.kinds import PROFILE_COUNTED, PROFILE_FAILED
from engine.journal.power_records import has_new_records, read_records
from engine.ports import Evidence, FeatureRows

Row = Mapping[str, float]
NEAR_KM = 0.5
"""How exactly a post lies where a distance says."""


@dataclass(frozen=True, slots=True)
class _Passage:
    arrival: Arrival
    row: Row
    network: Network
    limit: float | None

    @property
    def both(self) -> dict[str, Any]:
        """Both posts, the masses at both, and when the vehicle was at each."""
        crossing = self.arrival.crossing
        came, mass = micros(crossing.arrived_at), crossing.weighed_mass_kg
        gap, across = self.row["mirror_mass_gap"], self.row["transit_us"]
        return {
            "opposite": self.network.name_opposite(crossing.post),
            "kg": mass,
            "kg_there": None if mass is None or math.isnan(gap) else mass - gap,
            "came_at": rfc3339(came),
            "left_at": None if math.isnan(across) else rfc3339(came - round(across)),
        }


def say_fact(
    fact: HardFact, arrival: Arrival, row: Row, *, network: Network, limit: float | None
) -> Message:
    """Return the sentence of a fact that holds of an arrival.

    ``row`` has the features by name; ``limit`` is the tolerance of the profile at the post.
    """
    return _SENTENCES[fact](_Passage(arrival, row, network, limit))


def _load(one: _Passage) -> Message:
    way = "empty" if one.arrival.crossing.is_empty else "laden"
    return Message(f"fact_came_{way}", one.both)


def _mass(one: _Passage) -> Message:
    gap = one.row["mirror_mass_gap"]
    return Message(f"fact_mass_{'gained' if gap > 0 else 'lost'}", one.both | {"gap": abs(gap)})


def _seals(one: _Passage) -> Message:
    return Message("fact_seals", one.both | {"names": list(one.arrival.crossing.seal_numbers)})


def _trailer(one: _Passage) -> Message:
    return Message("fact_trailer", one.both | {"text": one.arrival.crossing.trailer_plate})


def _too_soon(one: _Passage) -> Message:
    found = one.both | {"elapsed": one.row["transit_us"], "minutes": one.limit}
    return Message("fact_too_soon", found)


def _two_places(one: _Passage) -> Message:
    km, hours = one.row["plate_km_since"], one.row["plate_hours_since"]
    crossing = one.arrival.crossing
    came = micros(crossing.arrived_at)
    found = {
        "place": _name_post_at(one.network, crossing.post, km),
        "km": km,
        "seen_at": rfc3339(came - round(hours * HOUR)),
        "came_at": rfc3339(came),
    }
    return Message("fact_two_places" if found["place"] else "fact_elsewhere", found)


def _name_post_at(network: Network, here: str, km: float) -> str:
    """Return the post that lies so far from here; empty where none or several do.

    Features know how far a vehicle was, and keep no names.
    """
    own = network.position_of(here)
    near = [
        post.name
        for code, post in network.posts.items()
        if code != here and abs(math.dist(own, network.position_of(code)) - km) < NEAR_KM
    ]
    return near[0] if len(near) == 1 else ""


def _papers(one: _Passage) -> Message:
    declared, crossing = one.arrival.declaration, one.arrival.crossing
    ends = () if declared is None else (declared.dispatch_country, declared.destination_country)
    named = () if declared is None else declared.route_countries
    path = [each for each in (ends[0], *named, ends[1]) if each] if ends else []
    here = one.network.posts.get(crossing.post)
    found = {
        "names": list(dict.fromkeys(path)),
        "post": crossing.post if here is None else here.name,
        "opposite": one.network.name_opposite(crossing.post),
    }
    return Message("fact_papers", found)


def _body(one: _Passage) -> Message:
    declared, crossing = one.arrival.declaration, one.arrival.crossing
    codes = [] if declared is None else [item.hs_code for item in declared.items]
    return Message("fact_body", {"body": crossing.body_type, "names": list(dict.fromkeys(codes))})


_SENTENCES: Mapping[HardFact, Callable[[_Passage], Message]] = {
    "load": _load,
    "mass": _mass,
    "seals": _seals,
    "trailer": _trailer,
    "two_places": _two_places,
    "too_soon": _too_soon,
    "papers": _papers,
    "body": _body,
}


LONGEST_VALIDITY_DAYS = 366
MOST_STEPS = 1_000_000
"""Steps that all profiles that match at once may take together on the longest declaration: 0.3 s,
some milliseconds on an ordinary one."""


def _printable(value: str) -> str:
    if not value.isprintable():
        raise PydanticCustomError("control_character", "one line of printable characters")
    return value


ProfileChannel = Literal["blue", "yellow", "red"]
Tolerance = Annotated[float, Field(ge=0, le=1e8, allow_inf_nan=False)]
Tolerances = Annotated[dict[PostCode, Tolerance], Field(max_length=1000)]
Code = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9_-]{0,31}$")]


@dataclass(frozen=True, slots=True)
class BacktestSubject:
    """The part of a profile that a backtest needs."""

    expression: str
    channel: ProfileChannel = "red"
    percentage: float = 100.0
    post: str | None = None
    tolerance: float | None = None
    tolerances: Mapping[str, float] = field(default_factory=dict)
    """By post; elsewhere ``tolerance`` holds."""

    def compile(self, features: Sequence[str]) -> dict[str, Program]:
        """Return the program of each post that has a tolerance of its own, and of all others.

        These stand under the empty name. Raises ``ProfileRefusedError``.
        """
        stated = {"": self.tolerance, **self.tolerances}
        made = {
            one: program(self.expression, features=features, tolerance=one)
            for one in set(stated.values())
        }
        return {post: made[one] for post, one in stated.items()}


class ProfileProposal(Record):
    """A proposed profile."""

    code: Code
    """Permanent name: a changed profile is a new profile."""
    title: Annotated[Text, Field(min_length=1, max_length=200)] | None = None
    expression: Annotated[
        str, Field(min_length=1, max_length=LONGEST_EXPRESSION), AfterValidator(_printable)
    ]
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
    fact: HardFact | None = None
    """What is impossible where it fits: said before all other reasons, in a sentence of its own."""
    tolerance: Tolerance | None = None
    """What the name ``tolerance`` in the expression stands for."""
    tolerances: Tolerances = Field(default_factory=dict)
    """The same by post, where it is another one: scales and roads differ."""
    owner: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    """The office that answers for it."""
    review_by: Time | None = None
    """When it is to be looked at again."""

    EXAMPLE: ClassVar = {
        "code": "NEW-CARRIER",
        "title": "An import by a carrier not seen for a month",
        "expression": 'declaration.procedure == "import" && features.carrier_crossings_30d == 0',
        "channel": "yellow",
        "percentage": 50.0,
        "post": "OYB",
        "valid_until": "2026-12-31T00:00:00+05:00",
    }

    @property
    def trial(self) -> BacktestSubject:
        """The part that a backtest needs; a backtest ignores the validity."""
        return BacktestSubject(
            self.expression,
            self.channel,
            self.percentage,
            self.post,
            self.tolerance,
            self.tolerances,
        )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.valid_from is not None and self.valid_until <= self.valid_from:
            raise PydanticCustomError("validity", "valid_until must come after valid_from")
        if self.tolerances and self.tolerance is None:
            raise PydanticCustomError("missing_key", "tolerances need a tolerance for other posts")
        if self.fact is not None and None in (self.owner, self.review_by):
            raise PydanticCustomError("missing_key", "a hard fact needs owner and review_by")
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

    def state(self, as_of: int) -> TimedState:
        """Return where it stands."""
        return self.standing.state_at(as_of, expires=micros(self.proposed.valid_until))

    def is_valid(self, as_of: int) -> bool:
        """Tell whether ``as_of`` lies within its validity."""
        begins = self.proposed.valid_from
        begun = begins is None or as_of >= micros(begins)
        return begun and as_of < micros(self.proposed.valid_until)


def profile_content(proposed: ProfileProposal, *, now: int) -> dict[str, Any]:
    """Return a profile as it is recorded; raises ``RecordError`` for too long a validity."""
    begins = now if proposed.valid_from is None else micros(proposed.valid_from)
    if not now < micros(proposed.valid_until) <= begins + LONGEST_VALIDITY_DAYS * DAY:
        why = f"must lie ahead, at most {LONGEST_VALIDITY_DAYS} days after valid_from"
        raise RecordError("profile", "valid_until", "validity", why)
    return proposed.model_dump(mode="json", exclude_none=True)


def read_profiles(connection: Connection) -> dict[str, Profile]:
    """Return every profile by its code."""
    return {
        code: to_profile(found)
        for code, found in read_approval_states(connection, "profile").items()
    }


@dataclass(frozen=True, slots=True)
class ScaleTolerances:
    """Kilograms that the masses of two posts may differ, by the hard facts that compare them."""

    load_kg: float
    mass_kg: float


def scale_tolerances(profiles: Iterable[Profile], post: str, *, as_of: int) -> ScaleTolerances:
    """Return the least tolerances in force at a post, those of the shipped facts where none is."""
    stated: dict[str, list[float]] = {"load": [], "mass": []}
    for one in profiles:
        proposed = one.proposed
        is_due = one.state(as_of) == "in_force" and one.is_valid(as_of)
        if is_due and proposed.fact in stated and proposed.post in (None, post):
            limit = proposed.tolerances.get(post, proposed.tolerance)
            stated[proposed.fact] += [] if limit is None else [limit]
    load, mass = (
        min(limits, default=float(read_template(fact)["tolerance"]))
        for fact, limits in stated.items()
    )
    return ScaleTolerances(load, mass)


def check_total_steps(
    connection: Connection, entering: Profile, *, names: Sequence[str], as_of: int
) -> None:
    """Raise ``ConflictError`` where all profiles with this one would take too many steps."""
    steps = 0
    for code, known in read_profiles(connection).items():
        if code == entering.code or known.state(as_of) in ("shadow", "in_force"):
            try:
                steps += known.proposed.trial.compile(names)[""].steps
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
        fact=proposed.fact or "",
    )


@cache
def read_templates() -> Mapping[str, Mapping[str, Any]]:
    """Return the fields of each template's proposal by its name; its validity is left out."""
    text = resources.files(__package__).joinpath("templates.toml").read_text("utf-8")
    return tomllib.loads(text)


def read_template(name: str) -> Mapping[str, Any]:
    """Return the fields of one template; raises ``NotFoundError``."""
    try:
        return read_templates()[name]
    except KeyError:
        raise NotFoundError("template", name) from None


MOST_FIGURES = 4
"""Figures of a profile that its reason gives."""
FLUSH_EVERY = MINUTE
"""How often the counts of shadows are recorded, while there are any."""


def name_figure(full: str, value: Any, _: Evidence | None) -> Message:
    """Return a figure with its name, the default without the texts of the pages."""
    text = f"{value:,.6g}" if isinstance(value, float) else str(value)
    name = full.rpartition(".")[2].replace("_", " ")
    return Message("field_text", {"of": name, "text": text})


@dataclass(frozen=True, slots=True)
class _Compiled:
    profile: Profile
    programs: Mapping[str, Program]
    """By post; the one under the empty name holds at all others."""

    def at(self, post: str) -> Program:
        """Return the program that holds at a post."""
        return self.programs.get(post) or self.programs[""]


class ProfileMatcher:
    """Finds the profiles that fit.

    Implements ``engine.criteria.match.Matcher``. One thread at a time.
    """

    def __init__(
        self,
        submit: Callable[[Draft], "Future[Entry]"],
        names: Sequence[str],
        *,
        failed: Callable[[], None] = lambda: None,
        say: Callable[[str, Any, Evidence | None], Message] = name_figure,
        network: Network | None = None,
    ) -> None:
        """``names`` are those of the features; ``failed`` is called at each failed evaluation.

        ``say`` puts one figure that picked an arrival into words: its full name, its value, and the
        inspections behind it where it is a rate of them. ``network`` names the posts in the
        sentences of hard facts.
        """
        self._say = say
        self._network = network or Network()
        self._submit = submit
        self._names = tuple(names)
        self._columns = {name: place for place, name in enumerate(names)}
        self._failed = failed
        self._last = 0
        self._compiled: list[_Compiled] = []
        self._reader = Reader((), {})
        self._reported: set[tuple[str, int]] = set()
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
            self._match(arrival, rows, index, due=due) for index, arrival in enumerate(arrivals)
        ]
        if self._seen and as_of - self._flushed > FLUSH_EVERY:
            self.flush(as_of)
        return found

    def tolerances(self, post: str, as_of: int) -> ScaleTolerances:
        """Return the tolerances of scales at a post, as of the last arrivals that were matched."""
        return scale_tolerances((one.profile for one in self._compiled), post, as_of=as_of)

    def flush(self, as_of: int) -> None:
        """Record what the shadows would have matched since the last time."""
        if not self._seen:
            return
        counts = {c: {"arrivals": n, "matches": self._shadows[c]} for c, n in self._seen.items()}
        self._submit(PROFILE_COUNTED.draft("", {"counts": counts, "until": rfc3339(as_of)}))
        self._seen.clear()
        self._shadows.clear()
        self._flushed = as_of

    def _load(self, snapshot: Connection) -> None:
        """Compile the profiles in force and the shadows, if any record was added."""
        kinds = kinds_of("profile")
        if not has_new_records(snapshot, kinds, after=self._last):
            return
        records = read_records(snapshot, kinds)
        standing = [to_profile(one) for one in replay_records(records, "profile").values()]
        wanted = [p for p in standing if p.standing.state in ("in_force", "shadow")]
        self._compiled = [one for p in wanted if (one := self._compile(p)) is not None]
        needs = [name for one in self._compiled for name in one.at("").needs]
        self._reader = Reader(needs, self._columns)
        self._last = records[-1].seq

    def _compile(self, profile: Profile) -> _Compiled | None:
        try:
            return _Compiled(profile, profile.proposed.trial.compile(self._names))
        except ProfileRefusedError as error:  # a later release lacks a feature that it asks for
            self._tell(profile, type(error).__name__)
            return None

    def _match(
        self, arrival: Arrival, rows: FeatureRows, index: int, *, due: Sequence[_Compiled]
    ) -> tuple[Match, ...]:
        post = arrival.crossing.post
        readings: list[tuple[dict[str, Any], Any]] = []
        found = []
        for one in due:
            proposed, standing = one.profile.proposed, one.profile.standing
            if proposed.post not in (None, post):
                continue
            readings = readings or [
                (known, context(known))
                for papers in (arrival.declaration, *(arrival.declarations or ()))
                for known in [self._reader.values(arrival.crossing, papers, rows.values[index])]
            ]
            is_shadow = standing.state == "shadow"
            if is_shadow:
                self._seen[one.profile.code] += 1
            fitting = [known for known, values in readings if self._fits(one, values, post)]
            if not fitting:
                continue
            if is_shadow:
                self._shadows[one.profile.code] += 1
            else:
                found.append(
                    to_match(one.profile, self._say_why(one, fitting[0], arrival, rows, index))
                )
        return tuple(found)

    def _say_why(
        self,
        one: _Compiled,
        known: Mapping[str, Any],
        arrival: Arrival,
        rows: FeatureRows,
        index: int,
    ) -> list[Message]:
        """Return the sentence of a hard fact, or the figures that picked the arrival."""
        proposed = one.profile.proposed
        if proposed.fact is None:
            return self._figures(one, known, rows.evidence[index] if rows.evidence else {})
        limit = proposed.tolerances.get(arrival.crossing.post, proposed.tolerance)
        row = dict(zip(self._names, map(float, rows.values[index]), strict=True))
        return [say_fact(proposed.fact, arrival, row, network=self._network, limit=limit)]

    def _figures(
        self, one: _Compiled, known: Mapping[str, Any], evidence: Mapping[str, Evidence]
    ) -> list[Message]:
        """Return the values of the arrival that the profile reads."""
        values = []
        for full in sorted(one.at("").needs):
            value = known.get(full.replace(".", "_"))
            if not full.startswith("goods") and value not in (None, []):
                behind = evidence.get(full.removeprefix("features."))
                values.append(self._say(full, value, behind))
        return values[:MOST_FIGURES] or [Message("goods_fit")]

    def _fits(self, one: _Compiled, values: Any, post: str) -> bool:
        try:
            return one.at(post).fits(values)
        except ProfileFailed as error:
            self._tell(one.profile, str(error))
            return False

    def _tell(self, profile: Profile, error: str) -> None:
        """Count a failure, and journal the first of each profile in this process."""
        self._failed()
        known = (profile.code, profile.standing.sequence)
        if known not in self._reported:
            self._reported.add(known)
            self._submit(PROFILE_FAILED.draft(profile.code, {"error": error}))
