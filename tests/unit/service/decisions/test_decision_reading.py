"""What a decision's page leads with: verdict, reasons in words, strips, the queue next to it."""

import re

import pytest

from api.decisions import page_data
from engine.domain.rights import Role
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
