"""What a decision's page leads with: verdict, reasons in words, strips, the queue next to it."""

import re
from collections.abc import Sequence
from math import nan

import pytest

from api.decisions import page_data
from api.decisions.page_data import ReasonBar, bars, put_in_words
from api.decisions.panels import (
    FEWEST,
    PRICES,
    STRIP_WIDTH,
    UsualStrip,
    draw_mass,
    draw_price,
    draw_transit,
)
from engine.domain.rights import Role
from engine.explanation.reasons import Reason
from tests.support.page_session import at_desk
from tests.support.running_service import POST, World
from tests.unit.service.reports.test_acts import find

START = 108_000
BLIND_TO = ("riskier than", 'class="told', 'class="strips"', 'class="auditors"', "random stream")
"""What a checkpoint's page never holds."""


def leaks(text: str) -> list[str]:
    return [one for one in BLIND_TO if one in text]


def test_the_page_leads_with_the_verdict_and_ends_with_the_receipt(world: World) -> None:
    red = find(world, "red", START)
    text = at_desk(world, "reading").get(f"/decisions/{red['decision_id']}").text
    parts = ('class="verdict red"', 'id="why"', 'class="auditors"', 'id="order"', 'id="act"')
    places = [text.index(one) for one in (*parts, 'id="facts"', "receipt")]
    assert places == sorted(places)
    assert re.search(r"Check first</dt><dd>[a-z]", text) and "In its favour" in text
    auditors = text[text.index('class="auditors"') :]
    auditors = auditors[: auditors.index("</details>")]
    assert "Propensity" in auditors and "effect on the risk" in auditors
    assert text.count("Propensity") == 1, "figures of the engine are for auditors"
    assert '<details class="card receipt">' in text


def test_a_checkpoint_reads_what_to_do_and_not_how_sure(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a seeded bug: the reader is taken for one who may see why."""
    red = find(world, "red", START + 300)
    path = f"/decisions/{red['decision_id']}"
    officer = at_desk(world, "reading-blind", Role.CHECKPOINT)
    text = officer.get(path).text
    assert "Check first" in text and "Who acts" in text and not leaks(text)
    assert leaks(at_desk(world, "reading-sees").get(path).text)
    monkeypatch.setattr(page_data, "is_blind", lambda _: False)
    monkeypatch.setattr("api.decisions.answers.is_blind", lambda _: False)
    assert leaks(officer.get(path).text)


def test_the_queue_stands_next_to_a_decision_in_its_order(world: World) -> None:
    find(world, "red", START + 600)
    waiting = world.get(f"/v1/posts/{POST}/queue").json()["waiting"]
    names = [one["decision_id"] for one in waiting][:4]
    boss = at_desk(world, "reading-rail")
    for before, own, after in zip([None, *names], names, names[1:], strict=False):
        text = boss.get(f"/decisions/{own}").text
        rail = text[text.index('class="rail') : text.index("</nav>", text.index('class="rail'))]
        assert re.findall(r'/decisions/(dec-\w+)"', rail)[:4] == names
        assert f'/decisions/{own}" aria-current="page"' in rail
        assert (f'/decisions/{before}" rel="prev"' in text) == (before is not None)
        assert f'/decisions/{after}" rel="next" data-after' in text
    green = find(world, "green", START + 900)
    text = boss.get(f"/decisions/{green['decision_id']}").text
    assert f'/decisions/{names[0]}" rel="next"' in text and 'rel="prev"' not in text


def reason(code: str, contribution: float, strength: str = "raises") -> Reason:
    return Reason(code, code, code, "", contribution, code, {"strength": strength})


def lead(*reasons: Reason) -> tuple[Sequence[str], str | None, int]:
    found = put_in_words(bars(reasons))

    def code(one: ReasonBar) -> str:
        return str(one.reason["code"])

    favour = None if found.favour is None else code(found.favour)
    return [code(one) for one in found.first], favour, found.others


def test_reasons_lead_with_what_picked_the_vehicle_then_three_that_tell_it_apart() -> None:
    picked = Reason("random_check", "x", "x", "", 0.0, "random_check")
    many = [reason(f"r{number}", 1.0 - number / 10) for number in range(5)]
    favour = reason("good", -0.2, "lowers")
    assert lead(picked, *many, favour) == (["random_check", "r0", "r1", "r2"], "good", 2)
    weak = reason("w", 0.05, "weak_sign")
    nothing = Reason("nothing_else_stands_out", "x", "x", "", 0.0, "x")
    assert lead(many[0], nothing, weak) == (["r0"], None, 2)
    assert lead() == ([], None, 0)


KNOWN = dict.fromkeys(PRICES, nan) | {
    "transit_share": 0.93,
    "transit_us": 151 * 60e6,
    "value_per_kg": 0.26,
    "value_over_usual_of_origin": 0.22,
}


def test_strips_mark_the_vehicle_where_it_stands() -> None:
    transit, price = draw_transit(KNOWN), draw_price(KNOWN)
    assert transit is not None and price is not None
    assert transit.value == 151.0 and transit.x == pytest.approx(0.93 * STRIP_WIDTH)
    assert price.usual == pytest.approx((0.26 / 0.22,)) and 0.0 < price.x < price.band[0]
    alike = draw_price(KNOWN | {"value_over_usual_of_hs6_origin": 1.0})
    assert alike is not None and alike.x == STRIP_WIDTH / 2, (
        "the most alike goods are compared with"
    )
    assert draw_price(KNOWN | {"value_over_usual_of_origin": 400.0}) == UsualStrip(
        "price", 0.26, STRIP_WIDTH, price.band, (0.26 / 400.0,)
    )
    mass = draw_mass(40.0, [10.0, 20.0, 20.0, 20.0, 20.0, 20.0, 20.0, 30.0])
    assert mass is not None and mass.x == STRIP_WIDTH and mass.usual == (20.0, 20.0)
    assert mass.ticks.count("M") == FEWEST


def test_a_strip_is_drawn_of_what_is_known_alone() -> None:
    assert draw_transit(KNOWN | {"transit_share": nan}) is None
    assert draw_price(KNOWN | {"value_per_kg": nan}) is None
    assert draw_price(KNOWN | {"value_over_usual_of_origin": nan}) is None
    assert draw_mass(40.0, [10.0] * (FEWEST - 1)) is None
    same = draw_mass(10.0, [10.0] * FEWEST)
    assert same is not None and same.x == 0.0
