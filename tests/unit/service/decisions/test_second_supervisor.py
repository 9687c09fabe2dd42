"""A verdict that waits for a second supervisor reaches those who may be that person, and no other.

Each test looks at the notifications, the row of the queue and the page of the decision together.
"""

import re
from secrets import token_hex
from typing import Any

import pytest

from api.auth.callers import Caller
from api.decisions import readers
from api.queue import mark
from engine.domain.rights import Role
from tests.support.people import Desk, at_desk
from tests.support.running_service import POST, World
from tests.unit.service.reports.test_acts import find

START = 140_000
REASON = 'Known "lawful" trade & seals.'
VERDICT = {"verdict": "override", "reason_code": "known_lawful", "reason": REASON}
BUTTON = re.compile(r'<form method="post" action="(/decisions/[^"]+/reviews)" id="agree".*?</form>')
HIDDEN = re.compile(r'name="(verdict|channel|reason_code|reason)" value="([^"]*)"')


def propose(desk: Desk, one: dict[str, Any], channel: str) -> None:
    """Send a vehicle to a channel by the form of its page."""
    page = f"/decisions/{one['decision_id']}"
    sent = VERDICT | {"channel": channel, "once": token_hex(12)}
    assert desk.send(page, f"{page}/reviews", sent).status_code == 303


def list_told(desk: Desk, one: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return what a visitor's notifications say of the verdict on a vehicle."""
    found = desk.get("/v1/notifications").json().get("notifications", [])
    about = [each for each in found if each["id"] == one["decision_id"]]
    return [
        (each["kind"], each["channel"], each["said"]) for each in about if each["about"] == "review"
    ]


def read_row(desk: Desk, one: dict[str, Any]) -> str:
    """Return a vehicle's row of the queue, empty where it does not wait."""
    page = desk.get(f"/posts/{POST}/queue").text
    row = re.search(rf'<(tr|section)\b[^>]*id="{one["decision_id"]}".*?</\1>', page, re.DOTALL)
    return "" if row is None else row[0]


def is_offered(desk: Desk, one: dict[str, Any]) -> bool:
    """Tell whether the page of a decision has the button."""
    return 'id="agree"' in desk.get(f"/decisions/{one['decision_id']}").text


@pytest.mark.parametrize(("channel", "to"), [("yellow", "green"), ("red", "blue")])
def test_a_verdict_reaches_who_may_be_the_second(world: World, channel: str, to: str) -> None:
    one = find(world, channel, START + (0 if channel == "yellow" else 500))
    first, second = (at_desk(world, f"{place}-{to}") for place in ("first", "second"))
    others = [
        at_desk(world, f"{role}-{to}", role)
        for role in (Role.CHECKPOINT, Role.ANALYST, Role.INTEGRITY)
    ]
    before = {desk: read_row(desk, one) for desk in (first, second, others[0])}
    propose(first, one, to)
    assert list_told(second, one) == [("approval_waiting", to, f"first-{to}: {REASON}")]
    assert f"Waits for your approval: {to.title()}" in read_row(second, one)
    address = f'/decisions/{one["decision_id"]}#proposal"'
    assert address in second.get("/notifications").text
    for desk in (first, *others):
        assert list_told(desk, one) == [] and not is_offered(desk, one)
        assert "Waits for your approval" not in read_row(desk, one)
    assert "Waits for your approval" not in before[second]
    assert "proposal" not in read_row(others[0], one)


def test_only_the_pages_of_who_may_be_the_second_are_told_of_a_change(world: World) -> None:
    """A page of the queue is loaded again when its mark changes: that alone must tell nothing."""
    one = find(world, "yellow", START + 2500)
    names = ("marks-first", "marks-second", "marks-officer")
    roles = (Role.SUPERVISOR, Role.SUPERVISOR, Role.CHECKPOINT)
    desks = [at_desk(world, name, role) for name, role in zip(names, roles, strict=True)]
    before = [read_mark(desk) for desk in desks]
    propose(desks[0], one, "green")
    moved = [read_mark(desk) != old for desk, old in zip(desks, before, strict=True)]
    assert moved == [False, True, False]
    caller = Caller("key", Role.SUPERVISOR, None, "marks-second")
    assert mark(world.runtime, POST, caller) == read_mark(desks[1]), "as the stream says it"


def read_mark(desk: Desk) -> str:
    """Return the mark of a visitor's page of the queue."""
    found = re.search(r'data-mark="(\w+)"', desk.get(f"/posts/{POST}/queue").text)
    assert found is not None
    return found[1]


def test_the_button_repeats_the_verdict_with_its_reason(world: World) -> None:
    one = find(world, "yellow", START + 1000)
    first, second = at_desk(world, "repeats-first"), at_desk(world, "repeats-second")
    propose(first, one, "green")
    page = f"/decisions/{one['decision_id']}"
    text = second.get(page).text
    form = BUTTON.search(text)
    assert form is not None and "Agree: Green</button>" in form[0]
    names = dict(HIDDEN.findall(form[0]))
    assert names["reason"] == "Known &#34;lawful&#34; trade &amp; seals."
    sent = names | {"reason": REASON, "once": token_hex(12)}
    assert second.send(page, form[1], sent).status_code == 303
    assert read_row(second, one) == "", "it left the queue"
    last = world.get(f"/v1/decisions/{one['decision_id']}").json()["reviews"][-1]
    assert {name: last[name] for name in (*VERDICT, "person", "channel")} == VERDICT | {
        "person": "repeats-second",
        "channel": "green",
    }
    assert list_told(second, one) == [] and not is_offered(second, one)


def test_a_verdict_that_was_taken_back_waits_for_nobody(world: World) -> None:
    one = find(world, "yellow", START + 1500)
    first, second = at_desk(world, "takes-back"), at_desk(world, "waits-no-more")
    propose(first, one, "green")
    assert is_offered(second, one)
    page = f"/decisions/{one['decision_id']}"
    kept = {"verdict": "uphold", "reason_code": "agreed", "once": token_hex(12)}
    assert first.send(page, f"{page}/reviews", kept).status_code == 303
    assert list_told(second, one) == [] and not is_offered(second, one)
    assert "Waits for your approval" not in read_row(second, one)


def test_a_seeded_bug_that_tells_the_first_person_is_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = find(world, "yellow", START + 2000)
    first = at_desk(world, "told-of-the-own")
    propose(first, one, "green")
    assert list_told(first, one) == []
    monkeypatch.setattr(readers, "first_words", lambda *_: lambda _: True)
    assert list_told(first, one) and is_offered(first, one)
