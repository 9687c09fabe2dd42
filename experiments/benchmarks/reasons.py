"""Reasons of a home's referred vehicles, judged as they were recorded.

``darvoza demo --once --home DIR``, then ``darvoza bench reasons --data DIR``: every referred
decision of the newest rule is read from the journal, its features are read again as of its time,
and the sentences are judged, apart from the code that made them. SYNTHETIC where the home is.

The judge has its own arithmetic: it takes the sentences as they were recorded, and for each feature
its value, what is usual, and the inspections behind it as of the decision. It counts rates that are
stated though nothing was inspected, and first reasons that are weak, empty or usual.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from math import isnan
from pathlib import Path
from typing import Any

from engine.decision.record_codec import StoredDecision, decode_decision
from engine.domain.network import read_network
from engine.errors import HomeError
from engine.explanation.reasons import REASONS_VERSION, Reason
from engine.journal.journal import Journal
from engine.journal.kinds import DECISION
from engine.ports import Contribution, FeatureRows, Scorer
from engine.queue.queue import list_decisions
from engine.selection.policy import INSPECTED
from engine.storage.database import Store
from engine.storage.home import Home
from experiments.support.benchmark_harness import Row, row
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.online.online_features import OnlineFeatures
from models.bundle.bundle import signing_key
from models.bundle.scorer import Scorer as BundleScorer

MOST_READ = 100_000
EXPECTED = re.compile(r"one find expected in about ([\d.,]+) hours? of search")


def run(data: Path | None) -> list[Row]:
    """Return the rows of ``bench reasons`` on the home in ``data``."""
    if data is None or not Home(data).network.exists():
        raise HomeError(str(data), "name a home with --data: darvoza demo --once --home DIR")
    home = Home(data)
    store = Store(home.database_url)
    try:
        return tally_rows(list(read_referrals(home, store)))
    finally:
        store.dispose()


WEAK, NEAR, MOST_ALIKE = 0.1, 0.1, 0.5
NOT_OF_THE_MODEL = frozenset({"random_check", "profile", "watchlist", "precursor_declared"})
"""Reasons that say who picked the vehicle, or that it declares a precursor: not of the model."""
_NAMES = frozenset({"chapter", "HS number", "0 is Monday"})
_FIGURE = re.compile(r"\d+(?:\.\d+)?%|\d of \d")


@dataclass(frozen=True, slots=True)
class RecordedReasons:
    """One decision's reasons with what they were made from, by feature."""

    reasons: Sequence[Reason]
    known: Mapping[str, Contribution]


@dataclass(slots=True)
class Tally:
    """What an audit found."""

    decisions: int = 0
    rates_without_inspections: int = 0
    poor_first: int = 0
    poor_of_model: int = 0
    """The same of the first reason behind the sentences that say who picked the vehicle."""
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
        fault = _fault(of_model[0], one.known) if of_model else "none"
        if fault:
            tally.poor_of_model += 1
            tally.poor_first += len(of_model) == len(one.reasons)
            tally.faults[fault] += 1
    return tally


def _is_rate_of_nothing(reason: Reason, known: Mapping[str, Contribution]) -> bool:
    if reason.code not in CATALOGUE or CATALOGUE[reason.code].operator != "rate":
        return False
    behind = known[reason.code].evidence
    is_stated = bool(_FIGURE.search(reason.fact)) or "inspections" in reason.parameters
    return is_stated and (behind is None or behind.inspections == 0)


def _fault(reason: Reason, known: Mapping[str, Contribution]) -> str:
    """Return what makes a first reason worth nothing; empty where nothing does."""
    if abs(reason.contribution) < WEAK:
        return "weak"
    if reason.code not in CATALOGUE:
        return ""
    feature, one = CATALOGUE[reason.code], known[reason.code]
    if feature.operator == "rate":
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


def tally_rows(found: list[tuple[StoredDecision, RecordedReasons]]) -> list[Row]:
    """Return the benchmark's rows."""
    tally = audit(one for _, one in found)
    decisions = [filing.decision for filing, _ in found]
    random = [one for one in decisions if one["is_random"]]
    silent = sum(one["reasons"][0]["code"] != "random_check" for one in random)
    few = sum(len(one["reasons"]) < 3 for one in decisions)
    of = f"of {len(decisions)} referred vehicles"
    return [
        row("referred vehicles", "decisions", len(decisions), ">= 200"),
        row(f"{of}: rates without inspections", "reasons", tally.rates_without_inspections, "<= 0"),
        row(
            f"{of}: first reason weak, empty or usual",
            "share",
            tally.poor_first / max(len(decisions), 1),
            "<= 0.1",
        ),
        row(
            f"{of}: the same behind the sentences that say who picked them",
            "share",
            tally.poor_of_model / max(len(decisions), 1),
            "<= 0.15",
        ),
        row(f"{of}: fewer than three reasons", "decisions", few, "<= 0"),
        row(f"of {len(random)} random picks: without their sentence", "decisions", silent, "<= 0"),
        row(
            "search orders that contradict their own figures",
            "decisions",
            sum(map(contradicts, decisions)),
            "<= 0",
        ),
    ]


def contradicts(decision: Mapping[str, Any]) -> bool:
    """Tell whether a place of a search order stands behind one where a find takes longer."""
    values = (EXPECTED.match(step["why"]) for step in decision["search_order"])
    figures = [float(one[1].replace(",", "")) for one in values if one is not None]
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
        for channel in INSPECTED:
            for known in list_decisions(
                connection, post=None, channel=channel, since=0, most=MOST_READ
            ):
                filing = decode_decision(journal.body(connection, known.seq, of=DECISION))
                inputs = filing.inputs
                if inputs.model_version is None or inputs.sentences != REASONS_VERSION:
                    continue
                rows = features.read(connection, [filing.arrival], as_of=[inputs.as_of])
                yield filing, _reasons_of(filing, rows, scorer(inputs.model_version))


def _reasons_of(filing: StoredDecision, rows: FeatureRows, scorer: Scorer) -> RecordedReasons:
    crossing, behind = filing.arrival.crossing, rows.evidence[0]
    found = scorer.explain(rows.values[0], vehicle_class=crossing.vehicle_class, post=crossing.post)
    known = {one.feature: replace(one, evidence=behind.get(one.feature)) for one in found}
    return RecordedReasons(tuple(Reason(**one) for one in filing.decision["reasons"]), known)
