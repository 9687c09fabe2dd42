"""Where loads are hidden: what fits, what can be got at, habits that last until they are found."""

from collections import Counter

import numpy as np

from experiments.synthetic import smuggling
from experiments.synthetic.config import Ints
from experiments.synthetic.inspections import Choice, Results
from experiments.synthetic.posts import CAR, TRUCK
from experiments.synthetic.smuggling import (
    BULK,
    CARTONS,
    FRONTS,
    WAYS,
    Journey,
    draw_allowed,
    draw_method,
    fit_quantity,
    rank_methods,
)
from experiments.synthetic.world_simulation import World, simulate_world
from tests.integration.experiments.synthetic.cached_worlds import world

CARGO = np.array([way.place.startswith("cargo.") for way in WAYS])


def journeys(
    n: int, *, kg: float = 1.0, kind: int = TRUCK, laden: bool = True, workshop: bool = True,
    seal: str = "", swapped: bool = False, family: int = BULK,
) -> Journey:  # fmt: skip
    def of(value: bool) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.full(n, value)

    return Journey(
        vehicle_class=np.full(n, kind),
        family=np.full(n, family),
        laden=of(laden),
        seal_seen=of(bool(seal)),
        seal_changed=of(seal == "changed"),
        swapped=of(swapped),
        kg=np.full(n, kg),
        has_workshop=of(workshop),
    )


def in_cargo(journey: Journey) -> float:
    rng = np.random.default_rng(1)
    return float(CARGO[draw_method(rng, journey, draw_allowed(rng, journey))].mean())


def test_an_empty_vehicle_hides_in_itself_and_a_broken_seal_gives_the_cargo_away() -> None:
    assert in_cargo(journeys(2000, laden=False)) == 0.0
    shares = [in_cargo(journeys(4000, seal=seal)) for seal in ("intact", "", "changed")]
    assert shares == sorted(shares) and shares[2] > 1.4 * shares[0] > 0


def test_what_is_large_lies_where_there_is_room() -> None:
    rng = np.random.default_rng(1)
    heavy = journeys(2000, kg=775.0)
    ways = draw_method(rng, heavy, draw_allowed(rng, heavy))
    assert min(WAYS[way].room_kg for way in ways) * smuggling.SPLIT >= 775
    assert fit_quantity(
        np.array([3.0, 60.0]), np.array([CAR, CAR]), np.array([10, 10])
    ).tolist() == [3, 5]
    wide = draw_allowed(rng, journeys(200, kg=1e6, kind=CAR))
    assert (wide.sum(axis=1) >= 1).all(), "what fits nowhere lies where there is most room"


def test_only_who_has_a_workshop_builds_and_only_some_goods_can_be_packed_again() -> None:
    rng = np.random.default_rng(1)
    built = np.array([way.is_built for way in WAYS])
    share = []
    for workshop in (True, False):
        given = journeys(4000, kg=30.0, laden=False, workshop=workshop)
        share.append(built[draw_method(rng, given, draw_allowed(rng, given))].mean())
    assert share[1] < 0.3 * share[0]
    packaging = next(at for at, way in enumerate(WAYS) if way.code == "packaging")
    assert not draw_allowed(rng, journeys(500, family=BULK))[:, packaging].any()
    assert draw_allowed(rng, journeys(500, family=CARTONS))[:, packaging].any()


def test_a_swapped_trailer_is_often_the_hiding_place_itself() -> None:
    rng = np.random.default_rng(1)
    trailer = np.array([way.place.startswith("trailer.") for way in WAYS])
    share = []
    for swapped in (False, True):
        given = journeys(4000, swapped=swapped)
        share.append(trailer[draw_method(rng, given, draw_allowed(rng, given))].mean())
    assert share[1] > 1.3 * share[0]


def test_a_circle_takes_the_first_of_its_ways_that_the_journey_allows() -> None:
    places = np.array([[2, 0, 1], [2, 0, 1]])
    padded = np.tile(np.arange(len(WAYS)), (2, 1))
    padded[:, :3] = places
    may = np.zeros((2, len(WAYS)), np.bool_)
    may[:, [0, 2]] = True
    ways = rank_methods(padded, may, first=np.array([-1, 0]))
    assert ways[0, :3].tolist() == [2, 0, -1], "way 1 comes first but is not allowed"
    assert ways[1, :3].tolist() == [0, 2, -1], "one smuggler does otherwise once"


def test_every_load_lies_in_a_place_that_its_vehicle_has() -> None:
    of = world()
    rows = np.flatnonzero(of.happens & of.plan.loads.carries)
    kind = of.plan.vehicles.vehicle_class[of.plan.calls.vehicle[rows]]
    laden = of.plan.habits.lane[rows] >= 0
    ways = of.hiding[rows]
    assert (ways >= 0).all()
    for one, way in zip(kind.tolist(), ways.tolist(), strict=True):
        assert "CVBTW"[one] in WAYS[way].classes
    place = np.array([way.place for way in WAYS])[ways]
    assert not np.char.startswith(place[~laden].astype(str), "cargo.").any()


def alike(of: World) -> tuple[float, float]:
    """Return how often two loads of one circle, and of any two, lie alike in one class."""
    rows = np.flatnonzero(of.happens & (of.plan.loads.choices_of >= 0))
    kind = of.plan.vehicles.vehicle_class[of.plan.calls.vehicle[rows]]
    circle = of.plan.front[rows] // FRONTS

    def share(keys: list[tuple[int, ...]]) -> float:
        same = pairs = 0
        for key in set(keys):
            mine = [way for way, its in zip(of.hiding[rows].tolist(), keys, strict=True)
                    if its == key]  # fmt: skip
            counts = Counter(mine).values()
            same += sum(n * (n - 1) for n in counts)
            pairs += len(mine) * (len(mine) - 1)
        return same / max(pairs, 1)

    both = zip(circle.tolist(), kind.tolist(), strict=True)
    return share([(c, k) for c, k in both]), share([(k,) for k in kind.tolist()])


def test_circles_keep_to_their_ways() -> None:
    own, any_two = alike(world())
    assert own > 2 * any_two


class Everybody:
    """A policy that searches every vehicle."""

    def choose(self, rows: Ints) -> Choice:
        return Choice(np.zeros(len(rows), np.int8), np.ones(len(rows)))

    def learn(self, results: Results) -> None:
        """Learn nothing."""


def test_a_way_that_was_found_is_given_up_now_and_then() -> None:
    drafted = world().plan
    caught = simulate_world(drafted, Everybody())
    runs = np.flatnonzero(caught.happens & (drafted.loads.choices_of >= 0))
    first = drafted.loads.hiding[runs]
    assert 0 < (caught.hiding[runs] != first).mean() < 0.6


def test_careful_traders_send_nothing_wrong() -> None:
    drafted = world().plan
    caught = simulate_world(drafted, Everybody())
    careful = caught.happens & (caught.p_discrepancy == 0.0)
    assert careful.any() and not (drafted.cargo.discrepancy[careful] > 0).any()
    wrong = drafted.cargo.discrepancy > 0
    assert (caught.happens & wrong).sum() < 0.95 * (world().happens & wrong).sum()
