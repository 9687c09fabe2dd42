"""A plain learner of loads on columns of its own: what one page of code finds.

Point in time: the history is played once, and a row reads what was known strictly before its
arrival. Each party has its traffic, age, gap, and searches and finds that halve every 90 days; a
row has the largest, second and sum of these over its parties, what is new together, what differs
from the last record of the plate, and the cars just ahead. Half trees, half a ridge on logs.
"""

from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.compute as pc
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from engine.domain.time_units import DAY, HOUR, MINUTE
from experiments.benchmarks.quality.known_truth import KnownTruth
from features.history.tables import Tables
from models.array_types import Floats
from models.data.build_dataset import freeze_history

HALF_LIFE = 90 * DAY
PRIOR_FINDS, PRIOR_SEARCHES, PRIOR_SEEN = 0.1, 5.0, 3.0
AHEAD = 20 * MINUTE
NONE = float("nan")
TREES = {"max_iter": 150, "learning_rate": 0.05, "max_depth": 3, "min_samples_leaf": 30}
RIDGE, SEEDS = 0.003, 3
PARTIES = (
    "plate", "trailer_plate", "driver_ref", "carrier_id", "consignee_id", "consignor_id",
    "declarant_id",
)  # fmt: skip
TOGETHER = (
    ("plate", "driver_ref"),
    ("trailer_plate", "carrier_id"),
    ("carrier_id", "consignee_id"),
)
MIRRORED = ("driver_ref", "trailer_plate", "seal_numbers")
RISING = 2 + 3 * len(PARTIES)
"""Where the columns of finds begin in a row; more finds never speak against a search."""


class _Party:
    """What was known of one party."""

    __slots__ = ("finds", "first", "last", "searches", "seen", "since")

    def __init__(self) -> None:
        self.seen, self.first, self.last = 0, 0, 0
        self.searches, self.finds, self.since = 0.0, 0.0, 0

    def fade(self, now: int) -> float:
        """Return what is left by now of searches and finds."""
        return float(0.5 ** ((now - self.since) / HALF_LIFE))


class _History:
    """What was known so far; a row is read before it is recorded."""

    def __init__(self) -> None:
        self.parties: dict[tuple[str, str], _Party] = defaultdict(_Party)
        self.together: dict[tuple[str, ...], int] = defaultdict(int)
        self.last: dict[str, dict[str, Any]] = {}
        self.cars: dict[tuple[str, str], deque[int]] = defaultdict(deque)

    def record(self, row: dict[str, Any], now: int) -> None:
        """Remember a crossing."""
        for one in _name_parties(row):
            party = self.parties[one]
            party.first, party.last, party.seen = party.first or now, now, party.seen + 1
        for pair in TOGETHER:
            self.together[tuple(str(row[who]) for who in pair)] += 1
        self.last[row["plate"] or ""] = row
        if row["vehicle_class"] == "car":
            self.cars[row["post"], row["direction"]].append(row["arrived_at"])

    def search(self, row: dict[str, Any], now: int, *, found: bool) -> None:
        """Remember the result of a search."""
        for one in _name_parties(row):
            party = self.parties[one]
            kept = party.fade(now)
            party.searches, party.finds = party.searches * kept + 1, party.finds * kept + found
            party.since = now

    def read(self, row: dict[str, Any], now: int) -> list[float]:
        """Return a crossing's columns."""
        own = [float(row["vehicle_class"] == "truck"), now // HOUR % 24]
        rates, busy = [], []
        for who in PARTIES:
            party = self.parties.get((who, row[who] or ""))
            if party is None:
                own += [NONE] * 3
                rates.append(NONE)
                continue
            own += [party.seen, now - party.first, now - party.last]
            kept = party.fade(now)
            finds, searches = party.finds * kept, party.searches * kept
            rates.append((finds + PRIOR_FINDS) / (searches + PRIOR_SEARCHES))
            busy.append(finds / (party.seen + PRIOR_SEEN))
        own += [*rates, *_summarise(rates), *_summarise(busy)]
        for pair in TOGETHER:
            own.append(self.together.get(tuple(str(row[who]) for who in pair), 0))
        ahead = self.cars[row["post"], row["direction"]]
        while ahead and ahead[0] < now - AHEAD:
            ahead.popleft()
        return [*own, len(ahead), *self._compare(row, now)]

    def _compare(self, row: dict[str, Any], now: int) -> list[float]:
        """Return what differs from the plate's last record, and mass and value."""
        before = self.last.get(row["plate"]) if row["plate"] else None
        own = [NONE] * (2 + len(MIRRORED))
        if before is not None:
            masses = row["weighed_mass_kg"], before["weighed_mass_kg"]
            own = [now - before["arrived_at"], NONE if None in masses else masses[0] - masses[1]]
            own += [float(before[name] != row[name]) for name in MIRRORED]
        mass, value = row["net_mass_kg"], row["customs_value_usd"]
        facts = row["weighed_mass_kg"], mass, value / mass if value and mass else None
        return own + [NONE if one is None else one for one in facts]


def _summarise(values: list[float]) -> list[float]:
    """Return the largest, the second and the sum of what is known."""
    known = sorted((one for one in values if one == one), reverse=True)
    largest, second = [*known, NONE, NONE][:2]
    return [largest, second, sum(known)]


def _name_parties(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(who, row[who]) for who in PARTIES if row[who] is not None]


def columns(tables: Tables, crossing_ids: list[str]) -> Floats:
    """Return the learner's columns, shape (n, k), of crossings in the order asked.

    The history is played in order of time: results come before arrivals, records after them.
    """
    rows = {row["crossing_id"]: row for row in _list_records(tables)}
    queue = [one for one in _list_results(tables) if one[2] in rows]
    for key, row in rows.items():
        queue += [(row["arrived_at"], 1, key, False), (row["known_at"], 2, key, False)]
    history, made = _History(), {}
    for now, kind, key, found in sorted(queue):
        if kind == 1:
            made[key] = history.read(rows[key], now)
        elif kind == 2:
            history.record(rows[key], now)
        else:
            history.search(rows[key], now, found=found)
    return np.array([made[one] for one in crossing_ids])


def _list_records(tables: Tables) -> list[dict[str, Any]]:
    """Return crossings with their papers and a goods item."""
    crossings, wanted = tables.crossings, tables.crossings["declaration_id"]
    for table, names in (
        (tables.declarations, PARTIES[4:]),
        (tables.goods_items, ("net_mass_kg", "customs_value_usd")),
    ):
        at = pc.index_in(wanted, table["declaration_id"])
        for name in names:
            crossings = crossings.append_column(name, table[name].take(at))
    rows: list[dict[str, Any]] = crossings.to_pylist()
    return rows


def _list_results(tables: Tables) -> Iterator[tuple[int, int, str, bool]]:
    """Yield when each result became known, of which crossing, and whether it was a seizure."""
    acts, finds = tables.inspections, tables.seizures
    for now, key, outcome in zip(
        *(acts[name].to_pylist() for name in ("known_at", "crossing_id", "outcome")), strict=True
    ):
        yield now, 0, key, outcome == "seizure"
    named = ("known_at", "linked_crossing_id", "inspection_id")
    for now, key, act in zip(*(finds[name].to_pylist() for name in named), strict=True):
        if key is not None and act is None:  # what an act found stands there
            yield now, 0, key, True


def score(network: KnownTruth) -> Floats:
    """Fit on what was known before the quarter; return log-odds of a load, shape (asked,)."""
    seen = network.seen
    known = freeze_history(network.tables, labels_before=network.begins)
    values = columns(known, seen.crossing_id.tolist())
    taught = (seen.label_known_at < network.begins) & seen.evidence("seizure")
    label = seen.seizure[taught]
    weight = np.nan_to_num(seen.propensity[taught], nan=0.5) ** -0.5
    signs = np.zeros(values.shape[1], np.int8)
    signs[RISING : RISING + len(PARTIES) + 6] = 1
    line = make_pipeline(
        SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(C=RIDGE)
    )
    logs = np.sign(values) * np.log1p(np.abs(values))
    with threadpool_limits(1):
        line.fit(logs[taught], label, logisticregression__sample_weight=weight)
        margin = np.asarray(line.decision_function(logs[network.asked]), np.float64)
        for seed in range(SEEDS):
            trees = HistGradientBoostingClassifier(
                **TREES, l2_regularization=10.0, monotonic_cst=signs, random_state=seed,
                max_features=0.3, early_stopping=False,
            )  # fmt: skip
            trees.fit(values[taught], label, sample_weight=weight)
            margin += trees.decision_function(values[network.asked]) / SEEDS
    return margin / 2
