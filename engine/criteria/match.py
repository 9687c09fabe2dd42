"""Matches of profiles and watch list entries with an arrival.

A match is stored in the decision by value, with the number of the record that put its profile or
entry into force, because what was in force at a past time cannot be read once it has expired.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

from sqlalchemy import Connection

from engine.domain.records import Arrival
from engine.explanation.messages import Message, Parameters
from engine.explanation.reasons import Reason, make_whole_reason
from engine.ports import FeatureRows
from engine.selection import COUNTERPART, LAWFUL_CHECK, Chance, Channel

WATCHLIST = "watchlist"
"""Purpose of the watch list's draw: a listed vehicle is always selected, whatever the number."""
KNOWN_LAWFUL = "known_lawful"
"""Source of the matches that lower what the score alone may do."""
HARD_FACT = "hard_fact"
"""Code of the reason that a hard fact gives."""
SUPERSEDED = "fact_superseded"
"""Message of a hard fact that only an earlier record shows."""
HardFact = Literal["load", "mass", "seals", "trailer", "two_places", "too_soon", "papers", "body"]
FACTS: tuple[HardFact, ...] = get_args(HardFact)
"""What profiles may state as impossible, in the order in which it is said."""
Source = Literal["profile", "watchlist", "known_lawful"]


@dataclass(frozen=True, slots=True)
class Match:
    """One profile or entry that fits an arrival."""

    source: Source
    code: str
    """The profile's code, or the entry's id."""
    sequence: int
    """The journal's record that put it into force."""
    channel: str
    """Where it sends what it selects."""
    share: float
    """Probability with which it selects what fits it, in [0, 1]; 0 for a partner's request that
    asks for no search, and for known lawful trade, whose searches the policy draws."""
    title: str = ""
    """The profile's title."""
    words: str = ""
    """What of the arrival fits a profile, or what an entry names, why, by whom and until when."""
    parameters: Parameters = field(default_factory=dict, hash=False, compare=False)
    """The same without words."""
    fact: str = ""
    """The hard fact that a profile states; empty for other profiles and for entries."""
    is_superseded: bool = False
    """A fact by records of the opposite post that a later one of them no longer shows."""
    is_of_counterpart: bool = False
    """An entry that rests on a counterpart's notice, which has a stream of its own."""

    @property
    def purpose(self) -> str:
        """What it draws its number for."""
        if self.source == KNOWN_LAWFUL:
            return LAWFUL_CHECK
        if self.source == "watchlist":
            return COUNTERPART if self.is_of_counterpart else WATCHLIST
        return f"profile:{self.code}"


class Matcher(Protocol):
    """A source of matches."""

    def matches(
        self,
        snapshot: Connection,
        arrivals: Sequence[Arrival],
        rows: FeatureRows,
        *,
        as_of: int,
    ) -> Sequence[Sequence[Match]]:
        """Return, for each arrival, what in force at ``as_of`` (UTC microseconds) fits it."""
        ...


def explain_matches(matches: Sequence[Match], fired: Sequence[str]) -> tuple[Reason, ...]:
    """Return the reasons that matches give, of those whose draw selected the arrival.

    Hard facts come first, in the order of :data:`FACTS`; of these, facts by what is known now.
    """
    found = {m.purpose: m for m in reversed(matches) if m.purpose in fired and m.share > 0}
    said = [m for m in matches if found.get(m.purpose) is m]
    return tuple(_REASON[m.source](m) for m in sorted(said, key=_rank_fact))


def _rank_fact(match: Match) -> tuple[bool, bool, int]:
    at = FACTS.index(match.fact) if match.fact else 0
    return not match.fact, match.is_superseded, at


def _by_profile(match: Match) -> Reason:
    if match.fact:
        (sentence,) = match.parameters["figures"]
        said = Message.from_dict(sentence)
        if match.is_superseded:
            said = Message(SUPERSEDED, {"figures": [sentence]})
        return make_whole_reason(said, code=HARD_FACT)
    title = f" «{match.title}»" if match.title else ""
    return Reason(
        code="profile",
        text=f"Profile {match.code}{title}: {match.words}.",
        fact=match.words,
        comparison=f"selects {match.share:.0%} of what fits it",
        contribution=0.0,
        message="profile" if match.title else "profile_untitled",
        parameters={
            "code": match.code,
            "title": match.title,
            "share": match.share,
            **match.parameters,
        },
    )


def _by_watchlist(match: Match) -> Reason:
    return Reason(
        code="watchlist",
        text=f"Watch list: {match.words}.",
        fact=match.words,
        comparison=f"sends what it names to {match.channel}",
        contribution=0.0,
        message="watchlist",
        parameters={"entry": match.code, **match.parameters},
    )


_REASON = {"profile": _by_profile, "watchlist": _by_watchlist}


def match_chances(matches: Sequence[Match]) -> tuple[Chance, ...]:
    """Return what these matches may do to a crossing."""
    return tuple(Chance(m.purpose, Channel.of(m.channel), m.share) for m in matches)
