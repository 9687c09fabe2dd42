"""What a decision's page leads with: verdict, reasons in words, strips, the queue next to it."""

import re
from collections.abc import Sequence

import pytest

from api.decisions import page_data
from api.decisions.page_data import ReasonBar, bars, put_in_words
from engine.domain.rights import Role
from engine.explanation.reasons import Reason
from tests.support.page_session import at_desk
from tests.support.running_service import World
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
