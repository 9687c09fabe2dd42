"""Fifteen questions of an outside analyst: one query each, equal to what the service answers.

The questions were written before the views were looked at; they stand in ``docs/analysis.md``.
"""
# ruff: noqa: S608 - queries are put together from fixed texts

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from api.network import answers
from engine.criteria.dual_control import draft_backtest
from engine.domain.rights import Role
from engine.domain.time_units import SystemClock, micros
from engine.errors import InputError
from experiments.analysis.home_history import HomeHistory, check_moment, run_query
from features.catalogue.catalogue import CATALOGUE
from tests.support.backtest_figures import FIGURES
from tests.support.people import person, send
from tests.support.running_service import POST, World, arrival
from tests.unit.service.reports.test_acts import act

START = 610_000
VEHICLES = 40
KEY = b"of this test"
Rows = list[tuple[Any, ...]]


class Scene(NamedTuple):
    """What the posts have lived through, and who asks."""

    world: World
    red: list[dict[str, Any]]
    decision: str
    """A decision on a vehicle that crossed before."""
    case: str

    def get(self, path: str) -> Any:
        answer = self.world.get(path, Role.SUPERVISOR)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ask(self, query: str, as_of: int | None = None) -> Rows:
        moment = check_moment(as_of, name="as_of")
        known = HomeHistory(self.world.home, self.world.runtime.store.read, moment, KEY)
        return run_query(query, known).rows


@pytest.fixture(scope="module")
def scene(world: World) -> Iterator[Scene]:
    """Decide, search, correct, override and seize; then the same vehicle comes again."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(answers, "KEPT_SECONDS", 0.0)
        _bring_profile_into_force(world)
        decided = world.decide_all(
            arrival(START + number, carrier_id="k-1") for number in range(VEHICLES)
        )
        world.runtime.profiles.flush(SystemClock().now())
        red = [one for one in decided if one["channel"] == "red"]
        case = _search(world, red)
        for green in [one for one in decided if one["channel"] == "green"][:2]:
            body = {
                "verdict": "override",
                "channel": "red",
                "reason_code": "other",
                "reason": "seen",
            }
            path = f"/v1/decisions/{green['decision_id']}/reviews"
            assert world.post(path, body, Role.SUPERVISOR).status_code == 201
        again = [
            world.decide(arrival(START, crossing_id=f"again-{number}", carrier_id="k-1")).json()
            for number in range(2)
        ]
        yield Scene(world, red, again[-1]["decision_id"], case)


def _bring_profile_into_force(world: World) -> None:
    ann, bob = person(world, Role.ANALYST), person(world, Role.SUPERVISOR)
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    profile = {"code": "P-H", "channel": "red", "valid_until": until}
    profile["expression"] = "crossing.weighed_mass_kg > 8600.0"
    assert send(world, "/v1/profiles", profile, ann).status_code == 201
    figures = draft_backtest("profile", "P-H", by="ann", state="proposed", figures=FIGURES)
    world.runtime.writer.submit(figures).result()
    assert send(world, "/v1/profiles/P-H/approvals", {}, bob).status_code == 201


def _search(world: World, red: list[dict[str, Any]]) -> str:
    """Search all red vehicles but two, correct an act and a find, and return the find's case."""
    assert len(red) > 9
    for number, one in enumerate(red[:-2]):
        outcome = {0: "seizure", 1: "discrepancy"}.get(number, "clear")
        body = act(START + number, one["crossing_id"], outcome=outcome)
        assert world.post("/v1/inspections", body).status_code == 201
    for number, where in enumerate(("fuel.tank", "cab.roof")):
        seizure = {"seizure_id": f"q-{number}", "crossing_id": red[0]["crossing_id"]}
        seizure |= {"inspection_id": f"i-{START}"}
        seizure |= {"substance_class": "narcotic", "quantity_g": 600, "place": where}
        seizure |= {"recorded_at": datetime.now(UTC).isoformat(), "substance": "hashish"}
        assert world.post("/v1/seizures", seizure).status_code == 201
    again = {"outcome": "seizure", "methods": ["canine", "physical"], "minutes": 45.0}
    again |= {"places_searched": ["fuel.tank"], "reason": "misread"}
    assert world.post(f"/v1/inspections/i-{START}/corrections", again).status_code == 201
    weighed = {"substance_class": "narcotic", "substance": "hashish", "quantity_g": 2350.0}
    weighed |= {"place": "fuel.tank", "reason": "weighed again"}
    assert world.post("/v1/seizures/q-0/corrections", weighed).status_code == 201
    flour = {"withdrawn": True, "reason": "flour"}
    gone = world.post("/v1/seizures/q-1/corrections", flour, Role.SUPERVISOR)
    assert gone.status_code == 201, gone.text
    opening = {"seizure_id": "q-0", "summary": "a find in the tank", "handling": ["H1"]}
    opened = send(world, "/v1/cases", opening, person(world, Role.SUPERVISOR))
    return str(opened.json()["case_id"])


FULL = (
    "(methods IS NULL OR len(methods) = 0 OR list_has_any(methods, ['xray','canine','physical']))"
)
STREAM = "CASE WHEN channel IN ('yellow', 'red') THEN basis ELSE 'override' END"
MONDAY = "date_trunc('week', decided_at AT TIME ZONE 'Asia/Tashkent')"
SENT = f"""
    WITH stood AS (
      SELECT d.*, coalesce(r.channel, d.channel) AS stands, {MONDAY} AS week
      FROM decisions d LEFT JOIN (
        SELECT decision_id, arg_max(channel, reviewed_at) AS channel
        FROM reviews WHERE verdict = 'override' GROUP BY decision_id) r USING (decision_id)
      WHERE post = 'OYB'),
    searched AS (
      SELECT s.*, i.outcome, i.inspection_id IS NOT NULL AND {FULL} AS is_full
      FROM stood s LEFT JOIN inspections i USING (crossing_id))
"""


def _shift(scene: Scene) -> Any:
    return scene.get(f"/v1/posts/{POST}/shift")["last_28_days"]


def _network(scene: Scene, name: str) -> Any:
    return [row for row in scene.get("/v1/network")[name] if row.get("post", POST) == POST]


def _fields(rows: Any, *names: str) -> Rows:
    return [tuple(row[name] for name in names) for row in rows]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


Question = tuple[Callable[[Scene], str], Callable[[Scene], Rows]]
QUESTIONS: Mapping[int, Question] = {
    1: (
        lambda _: "SELECT channel, count(*) FROM decisions WHERE post = 'OYB' GROUP BY ALL",
        lambda s: [one for one in _shift(s)["channels"].items() if one[1]],
    ),
    2: (
        lambda _: (
            f"""{SENT} SELECT {STREAM}, count(*), count_if(is_full),
            count_if(is_full AND outcome <> 'clear')
            FROM searched WHERE stands IN ('yellow', 'red') GROUP BY ALL"""
        ),
        lambda s: [
            row
            for row in _fields(_shift(s)["streams"], "stream", "sent", "inspected", "hits")
            if row[1]
        ],
    ),
    3: (
        lambda _: (
            f"""{SENT} SELECT strftime(week, '%Y-%m-%d'), count_if(is_full),
            count_if(is_full AND outcome <> 'clear')
            FROM searched WHERE basis = 'random' GROUP BY ALL"""
        ),
        lambda s: [
            row
            for row in _fields(_network(s, "weeks"), "week", "random_inspected", "random_hits")
            if row[1]
        ],
    ),
    4: (
        lambda _: (
            """SELECT isodow(t), hour(t), count(*)
            FROM (SELECT decided_at AT TIME ZONE 'Asia/Tashkent' AS t
                  FROM decisions WHERE post = 'OYB') GROUP BY ALL"""
        ),
        lambda s: _fields(_network(s, "hours"), "weekday", "hour", "arrivals"),
    ),
    5: (
        lambda _: (
            """SELECT vehicle_class, place, count(DISTINCT inspection_id),
            count(DISTINCT seizure_id) FROM (
              SELECT crossing_id, unnest(places_searched) AS place, inspection_id,
                NULL AS seizure_id FROM inspections
              UNION ALL SELECT linked_crossing_id, place, NULL, seizure_id FROM seizures)
            JOIN crossings USING (crossing_id) GROUP BY ALL"""
        ),
        lambda s: _fields(
            s.get("/v1/network")["places"], "vehicle_class", "place", "searched", "seizures"
        ),
    ),
    6: (
        lambda _: (
            f"""{SENT} SELECT count(*), count_if(stands = 'green'), count_if(stands = 'red'),
            count_if(is_full), count_if(is_full AND outcome <> 'clear'),
            count_if(is_full AND outcome = 'seizure') FROM searched"""
        ),
        lambda s: _fields(
            _network(s, "funnel"), "arrivals", "green", "red", "inspected", "hits", "seizures"
        ),
    ),
    7: (
        lambda _: (
            """SELECT decision_id, channel, reason_code, reason FROM reviews
            WHERE verdict = 'override'"""
        ),
        lambda s: [
            (one["decision_id"], review["channel"], review["reason_code"], review["reason"])
            for one in s.get("/v1/decisions?limit=500")["decisions"]
            for review in s.get(f"/v1/decisions/{one['decision_id']}")["reviews"]
            if review["verdict"] == "override"
        ],
    ),
    8: (
        lambda _: (
            """SELECT median(epoch_us(known_at) - epoch_us(decided_at)) / 6e7, count(*)
            FROM decisions JOIN inspections USING (crossing_id) WHERE outcome = 'clear'"""
        ),
        lambda s: _fields([_shift(s)["delay_of_lawful"]], "value", "n"),
    ),
    9: (
        lambda _: (
            f"""{SENT} SELECT crossing_id FROM searched
            WHERE stands IN ('yellow', 'red') AND outcome IS NULL"""
        ),
        lambda s: _fields(s.get(f"/v1/posts/{POST}/queue")["waiting"], "crossing_id"),
    ),
    10: (
        lambda _: (
            """SELECT crossing_id, p_discrepancy FROM decisions WHERE channel = 'green'
            ORDER BY p_discrepancy DESC LIMIT 3"""
        ),
        lambda s: sorted(
            (
                (one["crossing_id"], one["risk"]["p_discrepancy"])
                for one in s.get("/v1/decisions?channel=green&limit=500")["decisions"]
            ),
            key=lambda one: -one[1],
        )[:3],
    ),
    11: (
        lambda s: (
            f"""SELECT {", ".join(sorted(CATALOGUE))} FROM features
            JOIN decisions USING (crossing_id) WHERE decision_id = '{s.decision}'"""
        ),
        lambda s: [
            tuple(found[name] for name in sorted(CATALOGUE))
            for found in [s.get(f"/v1/decisions/{s.decision}/features")["features"]]
        ],
    ),
    12: (
        lambda s: (
            f"""SELECT e.crossing_id, e.post, e.direction, e.arrived_at
            FROM decisions d JOIN crossings c USING (crossing_id) JOIN crossings e USING (plate)
            WHERE d.decision_id = '{s.decision}' AND e.known_at < d.as_of"""
        ),
        lambda s: [
            (*row[:3], _time(row[3]))
            for row in _fields(
                s.get(f"/v1/decisions/{s.decision}/past")["crossings"],
                *("crossing_id", "post", "direction", "arrived_at"),
            )
        ],
    ),
    13: (
        lambda s: (
            f"""SELECT count(DISTINCT e.crossing_id), count_if(outcome = 'clear'),
            count_if(outcome = 'discrepancy'), count_if(outcome = 'seizure')
            FROM decisions d JOIN crossings c USING (crossing_id)
            JOIN crossings e ON e.carrier_id = c.carrier_id AND e.known_at < d.as_of
            LEFT JOIN inspections i
              ON i.crossing_id = e.crossing_id AND i.known_at < d.as_of
            WHERE d.decision_id = '{s.decision}'"""
        ),
        lambda s: [
            (
                one["crossings_ever"],
                *(one["totals"].get(k, 0) for k in ("clear", "find", "seizure")),
            )
            for one in s.get(f"/v1/decisions/{s.decision}/past")["entities"]
            if one["whose"] == "carrier"
        ],
    ),
    14: (
        lambda _: (
            """SELECT seizure_id, substance, quantity_g, place, methods
            FROM seizures s JOIN inspections i USING (inspection_id)"""
        ),
        lambda s: _fields(
            s.get(f"/v1/cases/{s.case}")["finds"],
            *("seizure_id", "substance", "quantity_g", "place", "methods"),
        ),
    ),
    15: (
        lambda _: (
            f"""SELECT count(DISTINCT crossing_id), count(DISTINCT inspection_id)
            FILTER ({FULL}), count_if(outcome <> 'clear' AND {FULL}), coalesce(sum(minutes), 0)
            FROM decisions LEFT JOIN inspections USING (crossing_id)
            WHERE list_contains(profiles, 'P-H')"""
        ),
        lambda s: [
            tuple(one["outcome"][name] for name in ("matches", "searches", "finds", "minutes"))
            for one in s.get("/v1/profiles")["profiles"]
            if one["code"] == "P-H"
        ],
    ),
}


def in_order(rows: Rows) -> list[str]:
    """Return rows as text that can be compared whatever their order."""
    return sorted(str([str(cell) for cell in row]) for row in rows)


@pytest.mark.parametrize("number", QUESTIONS)
def test_one_query_answers_as_the_service_does(scene: Scene, number: int) -> None:
    query, answer = QUESTIONS[number]
    found, answered = scene.ask(query(scene)), answer(scene)
    assert found, "nothing was asked about"
    if number == 8:  # a quotient of floats
        assert found[0] == pytest.approx(answered[0])
        return
    assert in_order(found) == in_order(answered)


def test_every_question_is_listed_with_its_answer() -> None:
    page = (Path(__file__).parents[4] / "docs" / "analysis.md").read_text("utf-8")
    assert {int(one) for one in re.findall(r"^\| (\d+)\. ", page, re.MULTILINE)} == set(QUESTIONS)


def test_a_correction_counts_from_its_own_time(scene: Scene) -> None:
    """An earlier time shows the act and the finds as they were stated then."""
    query = "SELECT minutes, methods FROM inspections WHERE outcome = 'seizure'"
    assert scene.ask(query) == [(45.0, ["canine", "physical"])]
    with scene.world.runtime.store.read() as connection:
        corrected = scene.world.runtime.journal.now(connection)
    rows = scene.ask("SELECT epoch_us(known_at) FROM inspections WHERE outcome = 'seizure'")
    assert rows[0][0] < corrected
    assert scene.ask(query, as_of=rows[0][0] - 1) == [(40.0, ["physical"])]
    times = scene.ask("SELECT completed_at IS NULL, completed_at < known_at FROM inspections")
    assert times and not any(missing for missing, _ in times) and any(first for _, first in times)
    assert scene.ask("SELECT count(*) FROM seizures WHERE seized_at IS NULL") == [(0,)]
    seized = "SELECT quantity_g FROM seizures ORDER BY seizure_id"
    assert scene.ask(seized) == [(2350.0,)]
    assert scene.ask(seized, as_of=rows[0][0]) == [(600.0,), (600.0,)]


def test_a_query_for_a_later_time_is_refused(scene: Scene) -> None:
    later = micros(datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(InputError, match="later than now"):
        scene.ask("SELECT count(*) FROM decisions", as_of=later)
