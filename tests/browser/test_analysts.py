"""The analysts' desk in a real browser: one proposes, others approve, with scripts and without."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from api.backtesting import Backtests
from tests.browser.people import Site, sign_in
from tests.service.test_pages_profiles import FIGURES

WORDS = {
    "en": {"may run": "It may run", "at": "Position 21", "in force": "in force"},
    "ru": {"may run": "Выражение может работать", "at": "Позиция 21", "in force": "действует"},
}


@pytest.fixture(params=["en, with scripts", "ru, without"])
def way(request: pytest.FixtureRequest) -> tuple[str, bool]:
    language, _, scripts = request.param.partition(", ")
    return language, scripts.startswith("with ")


@pytest.fixture
def desk(way: tuple[str, bool], browser: Browser, site: Site) -> Iterator[Page]:
    """Open a browser that nobody has used, with or without scripts."""
    with browser.new_context(base_url=site.address, java_script_enabled=way[1]) as made:
        made.set_default_timeout(5000)
        yield made.new_page()


def test_a_profile_from_the_editor_into_force(
    desk: Page, way: tuple[str, bool], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backtests, "run", lambda *_, **__: FIGURES)
    (language, scripts), words = way, WORDS[way[0]]
    code = f"DESK-{language.upper()}"
    sign_in(desk, site, "zafar", language=language)
    desk.goto("/profiles/new")
    desk.fill("#code", code)
    for expression, said in (("crossing.is_empty &&& x", "at"), (asked(code), "may run")):
        desk.fill("#expression", expression)
        if not scripts:
            desk.click("button[formaction='/profiles/checks']")
        expect(desk.locator("[data-checked]")).to_contain_text(words[said])
    desk.click("#profile button.primary")
    expect(desk.locator("#done")).to_be_visible()
    assert desk.locator("#approve").count() == 0, "nobody approves his own"

    desk.context.clear_cookies()
    sign_in(desk, site, "malika", language=language)
    desk.goto("/profiles")
    desk.click(f"a[href='/profiles/{code}']")
    desk.click("#approve button.primary")
    expect(desk.locator(".head .state")).to_have_text(words["in force"])
    picked = site.decide(carrier_id=code)
    desk.goto(f"/decisions/{picked['decision_id']}")
    expect(desk.locator("section", has=desk.locator("#why"))).to_contain_text(code)


def asked(code: str) -> str:
    return f'crossing.carrier_id == "{code}"'
