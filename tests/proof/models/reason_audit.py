"""Judge of recorded reasons, apart from the code that made them: it has its own arithmetic.

It takes the sentences as they were recorded, and for each feature its value, what is usual, and the
inspections behind it as of the decision. It counts rates that are stated though nothing was
inspected; first reasons that are weak, empty, usual, or true of more than half of the post's
vehicles; and neighbours in a queue that begin with the same sentence. A sentence that says what
picked the vehicle (a random check, a profile, a free place) is no reason of the model's: such
vehicles are counted by what the model says behind it, and random checks apart.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from math import isnan
from typing import Any

from sqlalchemy import Connection

from engine.decision.record_codec import StoredDecision, decode_decision
from engine.domain.network import read_network
from engine.explanation.reasons import Reason
from engine.journal.journal import Journal
from engine.journal.kinds import DECISION
from engine.ports import Contribution, FeatureRows, Scorer
from engine.queue.queue import list_decisions
from engine.selection import INSPECTED, Channel
from engine.storage.database import Store
from engine.storage.home import Home
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.online.online_features import OnlineFeatures
from models.bundle import Scorer as BundleScorer
from models.bundle import signing_key

MOST_READ = 100_000

WEAK, NEAR, MOST_ALIKE = 0.1, 0.1, 0.5
FEWEST_AT_POST = 10
"""Vehicles of a post from which a share is counted."""
NOT_OF_THE_MODEL = frozenset(
    {"hard_fact", "random_check", "random_papers_check", "profile", "watchlist",
     "precursor_declared"}
)  # fmt: skip
"""Reasons that say what picked the vehicle, or that it declares a precursor: not of the model."""
HABITS = frozenset({"this_post_share", "this_day_part_share", "inspected_at_this_post_share"})
"""Messages on where and when a vehicle comes or is inspected."""
FREE_PLACES = frozenset({"free_place"})
"""Messages that say that a place was free."""
_NAMES = frozenset({"chapter", "HS number", "0 is Monday"})
_FIGURE = re.compile(r"\d+(?:\.\d+)?%|\d of \d")


@dataclass(frozen=True, slots=True)
class RecordedReasons:
    """One decision's reasons with what they were made from, by feature."""

    reasons: Sequence[Reason]
    known: Mapping[str, Contribution]
    post: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Values of each feature for every vehicle decided at the post, where there are enough."""


@dataclass(slots=True)
class Tally:
    """What an audit found."""

    decisions: int = 0
    rates_without_inspections: int = 0
    poor_first: int = 0
    poor_of_model: int = 0
    """The same of the first reason behind the sentences that say who picked the vehicle."""
    poor_of_random: int = 0
    """Those of them that are random checks."""
    free_places: int = 0
    """Vehicles that are said to fill a place that was free."""
    faults: Counter[str] = field(default_factory=Counter)
    """First reasons of the model by what is wrong with them."""


def audit(decisions: Iterable[RecordedReasons]) -> Tally:
    """Return what is wrong with these reasons."""
    tally = Tally()
    for one in decisions:
        tally.decisions += 1
        tally.rates_without_inspections += sum(
            _is_rate_of_nothing(reason, one.known) for reason in one.reasons
        )
        of_model = [r for r in one.reasons if r.code not in NOT_OF_THE_MODEL]
        is_free = bool(of_model) and of_model[0].message in FREE_PLACES
        tally.free_places += is_free
        fault = _fault(of_model[0], one) if of_model else "none"
        if fault:
            tally.poor_of_model += 1
            tally.poor_of_random += any(r.code == "random_check" for r in one.reasons)
            tally.poor_first += len(of_model) == len(one.reasons) and not is_free
            tally.faults[fault] += 1
    return tally


def _is_rate_of_nothing(reason: Reason, known: Mapping[str, Contribution]) -> bool:
    if reason.code not in CATALOGUE or not CATALOGUE[reason.code].is_rate:
        return False
    behind = known[reason.code].evidence
    is_stated = bool(_FIGURE.search(reason.fact)) or "inspections" in reason.parameters
    return is_stated and (behind is None or behind.inspections == 0)


def _fault(reason: Reason, of: RecordedReasons) -> str:
    """Return what makes a first reason worth nothing; empty where nothing does."""
    if abs(reason.contribution) < WEAK:
        return "weak"
    if reason.code not in CATALOGUE:
        return ""
    one = of.known[reason.code]
    if reason.message in HABITS and one.value >= one.normal:
        return "habit"
    if fault := _fault_of_fact(reason, one):
        return fault
    return "common" if share_alike(one, of.post.get(reason.code, ())) > MOST_ALIKE else ""


def share_alike(one: Contribution, others: Sequence[float]) -> float:
    """Return the share of a post's vehicles of which a fact is true: as far from usual, or farther.

    0 where there is nothing to count. A vehicle whose value is not known does not share the fact.
    """
    if isnan(one.value):
        return 0.0
    is_high = isnan(one.normal) or one.value >= one.normal
    alike = [other >= one.value if is_high else other <= one.value for other in others]
    return sum(alike) / len(alike) if alike else 0.0


def _fault_of_fact(reason: Reason, one: Contribution) -> str:
    feature = CATALOGUE[reason.code]
    if feature.is_rate:
        return _fault_of_rate(one, raises=reason.contribution > 0)
    if isnan(one.value):
        return "empty"
    if feature.unit in _NAMES or isnan(one.normal):
        return "usual"
    if feature.unit == "flag":
        share = one.normal if one.value >= 0.5 else 1.0 - one.normal
        return "usual" if share > MOST_ALIKE else ""
    return "usual" if abs(one.value - one.normal) <= NEAR * abs(one.normal) else ""


def _fault_of_rate(one: Contribution, *, raises: bool) -> str:
    behind = one.evidence
    if behind is None or behind.inspections == 0:
        return "empty"
    rate = behind.finds / behind.inspections
    if isnan(behind.usual):
        return "usual"
    is_usual = rate <= (1 + NEAR) * behind.usual if raises else rate >= (1 - NEAR) * behind.usual
    return "usual" if is_usual else ""


def summarise(found: list[tuple[StoredDecision, RecordedReasons]]) -> dict[str, float]:
    """Return counts and shares of what is wrong, by name."""
    tally = audit(one for _, one in found)
    decisions = [filing.decision for filing, _ in found]
    random = [one for one in decisions if one["is_random"]]
    silent = sum(one["reasons"][0]["code"] != "random_check" for one in random)
    few = sum(len(one["reasons"]) < 3 for one in decisions)
    small = sum(one["reasons"][0].get("message") == "small_signs_led" for one in decisions)
    number = max(len(decisions), 1)
    return {
        "rates without inspections": tally.rates_without_inspections,
        "poor first": tally.poor_first / number,
        "poor behind": (tally.poor_of_model - tally.poor_of_random) / number,
        "poor behind, random checks counted": tally.poor_of_model / number,
        "small signs": small / number,
        "like neighbours": share_of_like_neighbours(
            [(filing.place or 0, filing.decision) for filing, _ in found]
        ),
        "fewer than three": few,
        "silent random checks": silent,
        "contradicting orders": sum(map(contradicts, decisions)),
        "free places": tally.free_places / number,
    }


def share_of_like_neighbours(placed: Iterable[tuple[int, Mapping[str, Any]]]) -> float:
    """Return the share of neighbours in the posts' queues whose first sentences are the same.

    ``placed`` holds decisions with their places in the queue, the highest first in it.
    """
    queues: dict[str, list[tuple[int, str]]] = {}
    for place, one in placed:
        queues.setdefault(one["post"], []).append((place, one["reasons"][0]["text"]))
    pairs = [
        (first, second)
        for queue in queues.values()
        for (_, first), (_, second) in pairwise(sorted(queue, key=lambda one: -one[0]))
    ]
    return sum(first == second for first, second in pairs) / max(len(pairs), 1)


def contradicts(decision: Mapping[str, Any]) -> bool:
    """Tell whether a place of a search order stands behind one where a find takes longer."""
    figures = [one["hours_per_find"] for one in decision["search_figures"]]
    return any(after < before for before, after in pairwise(figures))


def read_referrals(home: Home, store: Store) -> Iterator[tuple[StoredDecision, RecordedReasons]]:
    """Yield each referred decision that a model made, with what its reasons were made from."""
    features = OnlineFeatures(Plan(CATALOGUE), read_network(home.network))
    journal = Journal(store, [])
    key = signing_key(home).public_key()

    @lru_cache(maxsize=2)
    def scorer(version: str) -> Scorer:
        return BundleScorer.load(home.bundles / version, key=key)

    with store.read() as connection:
        at_posts = _read_posts(connection, journal, features)
        for channel in INSPECTED:
            for known in list_decisions(
                connection, post=None, channel=channel, since=0, most=MOST_READ
            ):
                filing = decode_decision(journal.body(connection, known.seq, of=DECISION))
                inputs = filing.inputs
                if inputs.model_version is None:
                    continue
                if Channel.of(filing.decision["channel"]) not in INSPECTED:
                    continue  # a supervisor sent it here
                rows = features.read(connection, [filing.arrival], as_of=[inputs.as_of])
                made = _reasons_of(filing, rows, scorer(inputs.model_version))
                yield filing, replace(made, post=at_posts.get(known.post, {}))


def _read_posts(
    connection: Connection, journal: Journal, features: OnlineFeatures
) -> dict[str, dict[str, list[float]]]:
    """Return the values of each feature for the vehicles decided at each post with enough."""
    found: dict[str, list[Mapping[str, float]]] = {}
    for known in list_decisions(connection, post=None, channel=None, since=0, most=MOST_READ):
        filing = decode_decision(journal.body(connection, known.seq, of=DECISION))
        rows = features.read(connection, [filing.arrival], as_of=[filing.inputs.as_of])
        found.setdefault(known.post, []).append(dict(rows.by_name(0)))
    return {
        post: {name: [one[name] for one in rows] for name in CATALOGUE}
        for post, rows in found.items()
        if len(rows) >= FEWEST_AT_POST
    }


def _reasons_of(filing: StoredDecision, rows: FeatureRows, scorer: Scorer) -> RecordedReasons:
    crossing, behind = filing.arrival.crossing, rows.evidence[0]
    target = Channel.of(filing.decision["channel"]).ranked_by
    found = scorer.explain(
        rows.values[0], target, vehicle_class=crossing.vehicle_class, post=crossing.post
    )
    known = {one.feature: one._replace(evidence=behind.get(one.feature)) for one in found}
    return RecordedReasons(tuple(Reason(**one) for one in filing.decision["reasons"]), known)
