"""A search order is a function of what is seen: it does not tell a random from a scored pick.

Each vehicle is taken once as a random check and once as a scored pick. Chances, draws, features
that are not of the opposite post's record, matches and teams are those of another vehicle the
second time. The orders of both are equal to the byte, on red and on yellow.
"""

import json
from collections.abc import Sequence
from random import Random
from typing import Any, get_args

import pytest

from engine.decision import decision as decisions
from engine.decision.decision import AMENDED, Decision, Inputs, ScoredArrival, decide
from engine.decision.inspection_minutes import PRIOR, Minutes
from engine.decision.role_views import BLIND, outcome
from engine.domain.records import (
    PLACES,
    Arrival,
    BodyType,
    Crossing,
    Declaration,
    GoodsItem,
    VehicleClass,
)
from engine.domain.time_units import moment
from engine.ports import Chances
from engine.search_orders.order import SearchOrder, search_order
from engine.search_orders.rates import OF_OPPOSITE, SCOPES, SearchCounts, find_signs
from engine.selection import (
    PAPERS,
    PLACE,
    RANDOM,
    RANDOM_PAPERS,
    SCORE,
    TEAM,
    Channel,
    Policy,
    RiskTables,
)
from experiments.synthetic.trade import LINES
from tests.support.sizes import PROOF
from tests.unit.features.random_histories import START

VEHICLES = 2_000 if PROOF else 400
NEVER = 1 - 2**-53
POLICY = Policy(red_share=0.2, yellow_share=0.1)
TABLES = RiskTables(tuple(n / 100 for n in range(101)), tuple(n / 100 for n in range(101)))
OTHERS = ("plate_crossings_365d", "carrier_hit_rate", "consignee_hit_rate", "value_per_kg")


def draw_arrival(rng: Random, number: int) -> Arrival:
    kinds: tuple[VehicleClass, ...] = ("truck", "truck", "van", "car", "bus", "rail_wagon")
    kind = rng.choice(kinds)
    empty = rng.random() < 0.3
    crossing = Crossing(
        crossing_id=f"c{number}",
        post=rng.choice(("OYB", "FOT", "YAL")),
        direction="entry",
        arrived_at=moment(START),
        vehicle_class=kind,
        body_type=rng.choice((None, *get_args(BodyType))) if kind == "truck" else None,
        is_empty=empty,
        seal_numbers=("S1",) if rng.random() < 0.5 else (),
        tir_carnet="XB1" if rng.random() < 0.2 else None,
        weighed_mass_kg=20_000.0 if rng.random() < 0.5 else None,
    )
    if empty or kind in ("car", "bus"):
        return Arrival(crossing=crossing)
    item = GoodsItem(
        item_no=1, hs_code=rng.choice(LINES).hs6, packages=rng.randrange(1, 900),
        gross_mass_kg=9_000.0,
    )  # fmt: skip
    head = Declaration(declaration_id="d", procedure=rng.choice(("import", "tir")), items=(item,))
    return Arrival(crossing=crossing, declaration=head)


def draw_counts(rng: Random) -> SearchCounts:
    counts = {
        scope: {place: (n := rng.randrange(900), min(n, rng.randrange(6))) for place in PLACES}
        for scope in SCOPES
    }
    return SearchCounts(counts, equipment={"xray": rng.randrange(2), "canine": 1})


def draw_hidden(rng: Random) -> dict[str, Any]:
    """Draw what only the engine knows: chances, features, draws, the draw of a team."""
    return {
        "chances": (rng.random() / 2, rng.random() / 2),
        "features": {name: rng.random() * 9 for name in OTHERS},
        "draws": {purpose: rng.random() for purpose in (PLACE, TEAM)},
    }


def decide_once(
    arrival: Arrival, searches: SearchCounts, seen: dict[str, float], hidden: Any, *, by: str
) -> Decision:
    """Decide on a vehicle that is picked as ``by`` says: at random or by its score, by channel."""
    draws = hidden["draws"] | {AMENDED: NEVER}
    draws |= {name: 0.0 if name == by else NEVER for name in (SCORE, PAPERS, RANDOM, RANDOM_PAPERS)}
    features = hidden["features"] | seen
    minutes = PRIOR[arrival.crossing.vehicle_class]
    inputs = Inputs(
        decision_id="dec", as_of=START, epoch="", shift_id="s", draws=draws, policy=POLICY,
        mode="model", model_version="m", definitions="d", table_sequence=1, tables=TABLES,
        minutes=Minutes(red=minutes, yellow=minutes / 3), teams=("a", "b", "c"),
        searches=SearchCounts(
            searches.counts,
            equipment=searches.equipment,
            signs=find_signs(arrival, features, load_kg=0.5, mass_kg=0.5),
        ),
    )  # fmt: skip
    chances = hidden["chances"]
    if by in (SCORE, PAPERS):  # high enough for the list to pick it
        chances = (0.999, 0.999) if by == SCORE else (0.001, 0.999)
    return decide(inputs, ScoredArrival(arrival, features, Chances(*chances)))


def order_of(made: Decision) -> bytes:
    """Return what a checkpoint is told of where to look, as it is sent."""
    told = outcome(made)
    names = ("search_order", "unreached", "precautions")
    assert set(names) <= set(BLIND)
    return json.dumps({name: told[name] for name in names}).encode()


def list_unlike(pairs: Sequence[tuple[str, str]], vehicles: int = VEHICLES) -> list[str]:
    """Return the vehicles whose order depends on what picked them."""
    rng, unlike = Random(5), []
    hidden = [draw_hidden(rng) for _ in range(vehicles)]
    for number in range(vehicles):
        arrival, searches = draw_arrival(rng, number), draw_counts(rng)
        seen = {name: rng.choice((0.0, 1.0, float("nan"))) for name in OF_OPPOSITE}
        random, scored = pairs[number % len(pairs)]
        one = decide_once(arrival, searches, seen, hidden[number], by=random)
        other = decide_once(arrival, searches, seen, hidden[number - 1], by=scored)
        assert (one.selection.basis, other.selection.basis) == (random, "score")
        assert one.channel is other.channel
        assert one.search.steps
        if order_of(one) != order_of(other):
            unlike.append(arrival.crossing.crossing_id)
    return unlike


PAIRS = {"red": (RANDOM, SCORE), "yellow": (RANDOM_PAPERS, PAPERS)}


@pytest.mark.parametrize("channel", PAIRS)
def test_orders_of_random_and_scored_picks_are_equal_to_the_byte(channel: str) -> None:
    assert list_unlike([PAIRS[channel]]) == []


def test_an_order_that_reads_one_reason_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: what speaks most against the consignee moves the load to the front."""
    strongest: list[float] = []
    scored = ScoredArrival

    def read_reason(inputs: Inputs, arrival: Arrival, channel: Channel) -> SearchOrder:
        assert inputs.searches is not None
        made = search_order(arrival, inputs.searches, is_physical=channel is Channel.RED)
        if strongest[-1] > 4.5:
            return SearchOrder(made.steps[::-1], made.figures, made.unreached)
        return made

    def note(arrival: Arrival, features: Any, chances: Chances) -> ScoredArrival:
        strongest.append(features["consignee_hit_rate"])
        return scored(arrival, features, chances)

    monkeypatch.setattr(decisions, "_order_search", read_reason)
    monkeypatch.setitem(globals(), "ScoredArrival", note)
    assert len(list_unlike([PAIRS["red"]], 200)) > 50
