"""A decision's page: blind before the act, its forms record what the JSON routes record."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from engine.domain.rights import Role
from tests.support.people import Desk, at_desk, user
from tests.support.running_service import World, arrival
from tests.unit.service.reports.test_acts import find

START = 100_000
ONCE = re.compile(r'name="once" value="([0-9a-f]{24})"')


def path(decision: Any) -> str:
    return f"/decisions/{decision['decision_id']}"


def send(desk: Desk, decision: Any, form: str, **fields: Any) -> Any:
    once = ONCE.search(desk.get(path(decision)).text)
    known = {"once": once[1]} if once else {}
    if form == "acts":
        known["step"] = "confirm"
    return desk.send(path(decision), f"{path(decision)}/{form}", known | fields)


def test_a_checkpoint_reads_words_after_its_search_and_nothing_else(world: World) -> None:
    red = find(world, "red", START)
    officer = at_desk(world, "blind", Role.CHECKPOINT)
    parts = ('class="chart"', 'id="verdict"', 'id="part-sides"', 'id="past"')
    hidden = ("matters.", "effect on the risk", *parts)
    before = officer.get(path(red)).text
    assert not any(one in before for one in (*hidden, 'id="about"'))
    for named in ("a physical search</span>", "a place searched</span>", "its minutes</span>"):
        assert named in before, "no cross before there is an act"
    papers = send(officer, red, "acts", outcome="clear", methods=["documents"], minutes="5")
    waits = officer.get(papers.headers["location"]).text
    assert 'id="act"' in waits and 'id="about"' not in waits and "still waits" in waits
    fields = {"methods": ["physical"], "minutes": "40,5", "places_searched": ["cargo.among"]}
    assert send(officer, red, "acts", outcome="clear", **fields).status_code == 303
    after = officer.get(path(red)).text
    assert not any(one in after for one in hidden)
    assert 'id="about"' in after and 'id="filed"' in after and 'id="act"' not in after


def test_the_history_is_as_of_no_time_before_the_arrival(world: World) -> None:
    ahead = datetime.now(UTC) + timedelta(minutes=4)
    (one,) = world.decide_all([arrival(START + 450, arrived_at=ahead.isoformat())])
    page = at_desk(world, "as-of").get(path(one)).text
    local = ahead.astimezone(timezone(timedelta(hours=5)))
    assert f"As of {local:%-d %b %Y, %H:%M}" in page


def test_a_link_opens_the_form_it_is_about(world: World) -> None:
    red = find(world, "red", START + 470)
    boss = at_desk(world, "opens")
    opened = 'id="part-verdict" name="part" open'
    assert opened not in boss.get(path(red)).text
    assert opened in boss.get(f"{path(red)}?at=review").text
    assert boss.get(f"{path(red)}?at=elsewhere").status_code == 422


def test_an_act_sent_twice_is_one_act(world: World) -> None:
    red = find(world, "red", START + 500)
    boss = at_desk(world, "twice")
    once = ONCE.search(boss.get(path(red)).text)
    assert once is not None
    fields = {
        "once": once[1],
        "step": "confirm",
        "outcome": "seizure",
        "methods": ["physical"],
        "places_searched": ["fuel.tank", "cab.seat"],
    }
    fields |= {"goods_class": "narcotics", "amount": "2 000", "place": "fuel.tank"}
    first = boss.send(path(red), f"{path(red)}/acts", fields)
    assert first.status_code == 303
    with world.runtime.store.read() as connection:
        seq = world.runtime.journal.head(connection).seq
    assert boss.send("/", f"{path(red)}/acts", fields).status_code == 303
    with world.runtime.store.read() as connection:
        assert world.runtime.journal.head(connection).seq == seq
        seizure = world.runtime.journal.body(connection, seq)["seizure"]
    assert (seizure["quantity_g"], seizure["place"]) == (2000.0, "fuel.tank")


FOUND = {
    "methods": ["physical"],
    "goods_class": "narcotics",
    "amount": "5",
    "place": "fuel.tank",
}
WRONG: tuple[dict[str, Any], ...] = (
    {"outcome": "perhaps"},
    {},
    {"outcome": "clear", "minutes": "many"},
    {"outcome": "clear", "minutes": "nan"},
    {"outcome": "clear", "minutes": "-1"},
    {"outcome": "clear", "places_searched": "NO SUCH"},
    {"outcome": "seizure"},
    {"outcome": "seizure", "goods_class": "x"},
    {"outcome": "seizure", **FOUND, "methods": []},
    {"outcome": "seizure", **FOUND, "place": ""},
    {"outcome": "seizure", **FOUND, "amount": ""},
    {"outcome": "clear", "methods": "magic"},
    {"outcome": "clear", "once": "x"},
)


def test_a_wrong_act_is_said_and_nothing_is_recorded(world: World) -> None:
    red = find(world, "red", START + 1000)
    boss = at_desk(world, "wrong")
    for wrong in WRONG:
        answer = send(boss, red, "acts", **wrong)
        assert answer.status_code == 422 and 'role="alert"' in answer.text, wrong
    assert 'id="filed"' not in boss.get(path(red)).text


def test_a_verdict_is_a_review(world: World) -> None:
    green = find(world, "green", START + 2000)
    boss = at_desk(world, "judge")
    assert send(boss, green, "reviews", verdict="override", reason_code="other").status_code == 422
    lines = "Fresh\r\npaint."
    fields = {"verdict": "override", "channel": "red", "reason_code": "other", "reason": lines}
    assert send(boss, green, "reviews", **fields).status_code == 303
    (review,) = boss.get(f"/v1{path(green)}").json()["reviews"]
    assert (review["person"], review["reason"]) == ("judge", "Fresh paint.")
    text = boss.get(path(green)).text
    assert "Fresh paint." in text and 'class="chart"' in text
    assert "these were computed now" in text
    assert send(boss, green, "reviews", verdict="uphold", reason_code="agreed").status_code == 303


def test_roles_reach_their_forms_alone(world: World) -> None:
    red = find(world, "red", START + 2500)
    for role, status in ((Role.ANALYST, 403), (Role.CHECKPOINT, 403)):
        desk = at_desk(world, f"reach-{role}", role)
        assert desk.send("/login", f"{path(red)}/reviews", {}).status_code == status
    officer = at_desk(world, "release-officer", Role.CHECKPOINT)
    why = {"reason_code": "capacity", "reason": "No bay was free."}
    assert send(officer, red, "release", **why).status_code == 303
    assert "has left" in officer.get(path(red)).text
    elsewhere = Desk(world)
    elsewhere.sign_in("elsewhere", user(world, "elsewhere", Role.CHECKPOINT, "FOT"))
    assert elsewhere.get(path(red)).status_code == 404


CHANCE = re.compile(r"((?:1 in )?[\d,]+%?) \(((?:1 in )?[\d,]+%?) – ((?:1 in )?[\d,]+%?)\)")


def test_a_chance_is_stated_with_its_interval_or_not_at_all(world: World) -> None:
    boss = at_desk(world, "interval")
    decision = find(world, "red", START + 2700)
    seen = boss.get(f"/v1{path(decision)}").json()
    chance, between = seen["risk"]["p_seizure"], seen["risk"]["seizure_between"]
    assert between == [chance / 2, (1 + chance) / 2]
    assert seen["risk"]["discrepancy_between"] is None
    text = boss.get(path(decision)).text
    stated = CHANCE.findall(text)
    assert len(stated) == 2 and len(set(stated)) == 1  # in the head and among the details
    assert stated[0][2] == f"{between[1]:.0%}"
    assert text.count("not yet knowable") == 1  # of a discrepancy there is no number


PAYLOAD = '"><script>alert(1)</script>{{7*7}}<img src=x onerror=alert(1)>'


def test_what_was_sent_is_shown_as_text(world: World) -> None:
    hostile = arrival(
        START + 3001, plate=PAYLOAD[:64], carrier_id="<b>k</b>", trailer_plate="'><i>"
    )
    hostile["declaration"]["items"][0]["description"] = PAYLOAD
    decision = world.decide(hostile).json()
    boss = at_desk(world, "escape")
    fields = {"verdict": "override", "channel": "red", "reason_code": "other", "reason": PAYLOAD}
    assert send(boss, decision, "reviews", **fields).status_code == 303
    for page in (path(decision), "/posts/OYB/queue"):
        text = boss.get(page).text
        assert "<script>alert" not in text and "<img" not in text and "<b>k" not in text
        assert "49" not in re.findall(r"{{7\*7}}|49<", text)


def test_a_wrong_optional_field_is_refused_by_name(world: World) -> None:
    body = arrival(START + 9_004)
    body["declaration"]["invoice_value"] = -1.0
    answer = world.decide(body)
    assert (answer.status_code, answer.json()["fields"][0]["at"]) == (
        422,
        "declaration.invoice_value",
    )
