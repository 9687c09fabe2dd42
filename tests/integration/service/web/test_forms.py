"""Forms of the pages: mistakes said at their field, acts shown as read, releases explained."""

import re
from typing import Any

import pytest

from api.web.i18n import LANGUAGES
from engine.domain.rights import Role
from tests.integration.service.decisions.test_decision_page import ONCE, path, send
from tests.support.people import Desk, at_desk
from tests.support.running_service import World
from tests.unit.service.reports.test_acts import find

START = 300_000
CODES = re.compile(r"[a-z]+_[a-z]+")
NOTES = re.compile(r'<span class="wrong" id="([a-z_]+)-wrong">([^<]+)</span>')
LINKS = re.compile(r'<li><a href="#([a-z_]+)">([^<]+)</a>')
SUMMARY = re.compile(
    r'<div class="alert" id="wrong" role="alert" tabindex="-1" autofocus>(.*?)</div>', re.DOTALL
)
WRONG = {
    "outcome": "seizure", "minutes": "2.300", "goods_class": "", "substance": "a powder",
    "amount": "two kilos", "place": "", "methods": "physical",
}  # fmt: skip


@pytest.fixture(scope="module")
def boss(world: World) -> Desk:
    return at_desk(world, "forms-boss")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refused_act_says_each_mistake_at_its_field(
    world: World, boss: Desk, language: str
) -> None:
    red = find(world, "red", START + 500 * list(LANGUAGES).index(language))
    boss.get(f"/language/{language}")
    refused = send(boss, red, "acts", **WRONG)
    boss.get("/language/en")
    assert refused.status_code == 422
    notes = dict(NOTES.findall(refused.text))
    assert set(notes) == {"minutes", "amount", "goods_class", "place"}
    summary = SUMMARY.search(refused.text)
    assert summary is not None
    for name, text in notes.items():
        assert not CODES.search(text), "no name of the interface"
        assert f'href="#{name}"' in summary[1] and text in summary[1]
        assert f'aria-describedby="{name}-wrong"' in refused.text
    assert "2300" in notes["minutes"] and ("2.3" if language == "en" else "2,3") in notes["minutes"]
    assert '<details id="finds" open>' in refused.text
    for kept in ('value="2.300"', 'value="two kilos"', 'value="a powder"'):
        assert kept in refused.text
    assert 'id="filed"' not in boss.get(path(red)).text


def test_a_substance_is_one_word_in_every_language(world: World, boss: Desk) -> None:
    """Free text stays as it was typed."""
    for number, (typed, kept, shown) in enumerate(
        (("Гашиш", "hashish", "гашиш"), ("белый порошок", "белый порошок", "белый порошок"))
    ):
        red = find(world, "red", START + 6500 + 400 * number)
        fields = {"outcome": "seizure", "minutes": "40", "methods": ["physical"]}
        fields |= {"goods_class": "narcotics", "amount": "2300", "place": "fuel.tank"}
        boss.get("/language/ru")
        read = send(boss, red, "acts", **fields, substance=typed, step="")
        assert read.status_code == 200 and '<option value="гашиш">' in boss.get(path(red)).text
        filed = send(boss, red, "acts", **fields, substance=typed, step="confirm")
        assert filed.status_code == 303, filed.text
        assert f" · {shown}" in boss.get(path(red)).text
        boss.get("/language/en")
        assert f" · {kept}" in boss.get(path(red)).text


def test_an_act_is_shown_as_read_before_it_is_filed(world: World, boss: Desk) -> None:
    red = find(world, "red", START + 3000)
    fields: dict[str, Any] = {"outcome": "seizure", "minutes": "42.5", "methods": ["physical"]}
    fields |= {"goods_class": "narcotics", "amount": "2,300", "place": "fuel.tank"}
    shown = send(boss, red, "acts", step="", **fields)
    assert shown.status_code == 200
    for part in ("2,300 g", "(2.3 kg)", "42.5 min", "fuel tank", "narcotic"):
        assert part in shown.text
    assert 'id="filed"' not in boss.get(path(red)).text
    back = send(boss, red, "acts", **fields | {"step": "change"})
    assert back.status_code == 200
    assert 'value="2,300"' in back.text and '<details id="finds" open>' in back.text
    once = ONCE.search(shown.text)
    assert once is not None
    for _ in range(2):
        filed = send(boss, red, "acts", **fields | {"step": "confirm", "once": once[1]})
        assert filed.status_code == 303
    text = boss.get(path(red)).text
    section = text[text.index('id="filed"') :]
    section = section[: section.index("</section>")]
    for part in ("narcotic", "2,300 g", "fuel tank", "42.5 min"):
        assert part in section, part
    acted = text[text.index('class="acted"') :]
    assert "forms-boss" in acted[: acted.index("</p>")], "the head states the act"
    assert section.count('class="seized"') == 1
    queue = boss.get("/posts/OYB/queue").text
    assert f'<a href="{path(red)}">' in queue, "an act closes no door"


def test_a_release_needs_a_reason_and_a_page_of_its_own(world: World) -> None:
    red = find(world, "red", START + 5000)
    officer = at_desk(world, "forms-officer", Role.CHECKPOINT)
    page = officer.get(path(red)).text
    assert f'href="{path(red)}/release"' in page
    assert f'action="{path(red)}/release"' not in page, "no button of the page releases"
    asked = officer.get(f"{path(red)}/release")
    assert asked.status_code == 200 and 'id="release"' in asked.text
    for wrong, at in (
        ({}, {"reason_code", "reason"}),
        ({"reason_code": "capacity"}, {"reason"}),
        ({"reason_code": "none such", "reason": "x"}, {"reason_code"}),
    ):
        refused = send(officer, red, "release", **wrong)
        assert refused.status_code == 422 and set(dict(NOTES.findall(refused.text))) == at
        named = dict(LINKS.findall(refused.text))
        assert set(named) == at and len(set(named.values())) == len(at), "no two of one name"
    why = {"reason_code": "handed_over", "reason": "To the border guard."}
    assert send(officer, red, "release", **why).status_code == 303
    text = officer.get(path(red)).text
    for part in ("handed over to another service", "To the border guard.", "forms-officer"):
        assert part in text
    assert f'<a href="{path(red)}">' in officer.get("/posts/OYB/queue").text


def test_a_release_by_http_says_why_or_nothing(world: World, boss: Desk) -> None:
    for number, (body, status) in enumerate(
        (
            (None, 201),
            ({"reason_code": "ordered", "reason": "By the head of the shift."}, 201),
            ({"reason_code": "ordered"}, 422),
            ({"reason": "Because."}, 422),
            ({"reason_code": "no such", "reason": "x"}, 422),
        )
    ):
        red = find(world, "red", START + 5500 + 500 * number)
        to = f"/v1/crossings/{red['crossing_id']}/release"
        headers = world.headers(Role.CHECKPOINT)
        sent = world.client.post(to, headers=headers, json=body)
        assert sent.status_code == status, sent.text
        if status == 201:
            shown = boss.get(path(red)).text
            assert "not given" in shown if body is None else "By the head of the shift." in shown
            again = world.client.post(to, headers=headers, json=body)
            assert again.content == sent.content
            other = world.client.post(
                to, headers=headers, json={"reason_code": "other", "reason": "y"}
            )
            assert other.status_code == 409


def test_a_verdict_names_the_field_at_fault(world: World, boss: Desk) -> None:
    green = find(world, "green", START + 8500)
    override = {"verdict": "override", "channel": "red", "reason_code": "other", "reason": "x"}
    for wrong, at in (
        ({}, {"verdict", "reason_code"}),
        ({"verdict": "override"}, {"channel", "reason_code", "reason"}),
        (override | {"channel": ""}, {"channel"}),
        (override | {"channel": "green"}, {"channel"}),  # it stands there
        (override | {"reason": ""}, {"reason"}),
        (override | {"reason_code": "agreed"}, {"reason_code"}),
        (override | {"reason_code": "unknown"}, {"reason_code"}),
        ({"verdict": "uphold", "channel": "red"}, {"verdict"}),
    ):
        refused = send(boss, green, "reviews", **wrong)
        assert refused.status_code == 422
        assert set(dict(NOTES.findall(refused.text))) == at, wrong
    assert send(boss, green, "reviews", verdict="uphold").status_code == 303


def test_two_supervisors_let_a_red_vehicle_go_and_the_page_says_so(
    world: World, boss: Desk
) -> None:
    red = find(world, "red", START + 9000)
    fields = {"verdict": "override", "channel": "green", "reason_code": "known_lawful"}
    fields |= {"reason": "Regular milk run."}
    assert send(boss, red, "reviews", **fields).status_code == 303
    assert 'id="proposal"' in boss.get(path(red)).text
    second = at_desk(world, "forms-second")
    assert send(second, red, "reviews", **fields).status_code == 303
    text = boss.get(path(red)).text
    assert 'id="proposal"' not in text and "sent here by a supervisor" in text
