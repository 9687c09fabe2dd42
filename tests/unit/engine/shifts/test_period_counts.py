"""Counts of a period on both stores: its ends, vehicles decided on again, stages, acts, goods."""

from collections import Counter

from sqlalchemy import insert

from engine.domain.time_units import DAY, MINUTE
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.journal.kinds import TICK
from engine.queue.match_outcomes import ACTS, SEIZED_GOODS
from engine.queue.queue import DECISIONS
from engine.shifts.period_counts import (
    Span,
    Stage,
    count_stage,
    count_vehicles,
    find_number,
    list_acts,
    list_goods,
    list_posts,
)
from engine.storage.database import Store
from tests.unit.engine.queue.test_queue import row

RED, GREEN = 3, 0
HOUR = 60 * MINUTE


class Clock:
    """Each record of the journal comes an hour after the one before."""

    def __init__(self) -> None:
        self.at = 0

    def now(self) -> int:
        self.at += HOUR
        return self.at


def fill(store: Store) -> dict[int, int]:
    """Fill a store, and return when each record became known, by its number."""
    journal = Journal(store, clock=Clock())
    entries = [journal.append([Draft(TICK, "tick", "P", {})])[0] for _ in range(8)]
    at = {entry.seq: entry.known_at for entry in entries}
    one, two, act, late, four, five, six, papers = at
    came = {seq: at[seq] - 7 * MINUTE for seq in at}
    red = {"channel": RED, "sent": RED, "basis": "random"}
    rows = [
        row(one, known_at=at[one], arrived_at=came[one], act_seq=act, corridor="TJ>UZ") | red,
        row(two, known_at=at[two], arrived_at=came[two], channel=GREEN, sent=GREEN),
        row(late, known_at=at[late], arrived_at=came[late], released_at=at[five]) | red,
        # a vehicle whose declaration was changed: red at last
        row(four, known_at=at[four], arrived_at=came[four], channel=GREEN, sent=GREEN),
        row(five, known_at=at[five], arrived_at=came[five], amends=f"d{four}")
        | red
        | {"crossing_id": f"c{four}", "waiting": True},
        row(six, "Q", known_at=at[six], arrived_at=came[six]) | red,
    ]
    stated = {
        "post": "P",
        "crossing_id": f"c{one}",
        "is_evidence": True,
        "is_hit": True,
        "minutes": 30.0,
    }
    stated |= {"outcome": "seizure", "basis": "random", "methods": "physical", "kinds": ""}
    stated |= {"places": "fuel.tank", "agency": "customs", "duty": None, "currency": None}
    goods = {"crossing_id": f"c{one}", "agency": "customs", "substance_class": "narcotic"}
    with store.write() as connection:
        lacking = {"basis": None, "amends": None, "released_at": None}
        connection.execute(insert(DECISIONS), [lacking | each for each in rows])
        connection.execute(insert(ACTS), [stated | {"seq": act}, stated | {"seq": papers}])
        connection.execute(insert(SEIZED_GOODS), [goods | {"seq": late, "quantity_g": 5.0}])
    return at


def test_a_period_holds_what_its_ends_say(store: Store) -> None:
    at = fill(store)
    first, *_, last = at
    whole = Span("P", at[first], at[last] + 1)
    with store.read() as connection:
        assert list(list_posts(connection)) == ["P", "Q"]
        assert find_number(connection, at[first]) == first
        assert find_number(connection, at[last]) == last
        assert find_number(connection, at[last] + 1) == last + 1
        counted = Counter[str | None]()
        for group in count_vehicles(connection, whole):
            counted[group.stream] += group.vehicles
        assert counted == {"random": 3, None: 1}, "the vehicle decided on again is red, once"
        (act,) = list_acts(connection, whole)
        assert (act.corridor, act.methods, act.vehicle_class) == ("TJ>UZ", "physical", "truck")
        (goods,) = list_goods(connection, whole)
        assert (goods.quantity_g, goods.act_agency) == (5.0, "customs")
        for empty in (Span("P", at[last] + 1, at[last] + HOUR), Span("R", 0, at[last])):
            assert sum(one.vehicles for one in count_vehicles(connection, empty)) == 0
            assert list_acts(connection, empty) == [] and list_goods(connection, empty) == []
        before_act = Span("P", at[first], at[first] + 1)
        assert list_acts(connection, before_act) == [], "an act counts when it was filed"
        (sent,) = (one for one in count_vehicles(connection, before_act) if one.vehicles)
        assert sent.outcome == "seizure", "what sent a vehicle counts when it was decided on"


def test_stages_are_of_first_decisions_in_whole_minutes(store: Store) -> None:
    at = fill(store)
    span = Span("P", min(at.values()), max(at.values()) + 1)

    def minutes(stage: Stage, later: int = 0) -> dict[int | str, int]:
        found = Counter[int | str]()
        with store.read() as connection:
            for group in count_stage(connection, span, stage, as_of=max(at.values()) + later):
                without = "waits" if group.waits else "open"
                found[without if group.minutes is None else group.minutes] += group.vehicles
        return found

    one, _, act, late, _, five, *_ = at
    waited, until_release = at[act] - at[one], at[five] - at[late]
    assert minutes("decision") == {7: 4}
    assert minutes("act") == {waited // MINUTE: 1}, "by first decisions"
    assert minutes("release") == {}, "nobody was released after an act"
    taken = Counter[int | str]([7, 7 + waited // MINUTE, 7 + until_release // MINUTE])
    whole = minutes("whole")
    assert whole == taken | {"waits": 1}, "green ends with its decision, unless red replaced it"
    assert minutes("whole", later=2 * DAY) == taken | {"open": 1}, "the queue forgets it"
