"""The analysts' desk in a real browser: one proposes, others approve, with scripts and without."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from api.service.executors import Backtests
from engine.storage.home import file_digest
from models.bundle import MANIFEST
from models.lifecycle import transitions
from models.lifecycle.states import find_trial, measurement, read_state
from models.monitoring import trials
from tests.integration.browser.conftest import PATIENCE_MS
from tests.integration.browser.page_layouts import looked_at
from tests.integration.browser.users_and_vehicles import Site, sign_in, signed_in
from tests.integration.service.models.signed_bundles import register
from tests.integration.service.models.test_model_pages import MEASURED
from tests.support.backtest_figures import FIGURES

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
    """Open a unused browser, with or without scripts."""
    with browser.new_context(base_url=site.address, java_script_enabled=way[1]) as made:
        made.set_default_timeout(PATIENCE_MS)
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
    for expression, value in (
        ("crossing.is_empty &&& x", "at"),
        (make_expression(code), "may run"),
    ):
        desk.fill("#expression", expression)
        if not scripts:
            desk.click("#check")
        expect(desk.locator("[data-checked]")).to_contain_text(words[value])
    desk.click("#profile button.primary")
    expect(desk.locator("#done")).to_be_visible()
    assert desk.locator("#approve").count() == 0, "an author does not approve"

    desk.context.clear_cookies()
    signed_in(desk, site, "malika", language=language)
    desk.goto("/profiles")
    desk.click(f"a[href='/profiles/{code}']")
    desk.click("#approve button.primary")
    expect(desk.locator(".head .state")).to_have_text(words["in force"])
    picked = site.decide(carrier_id=code)
    desk.goto(f"/decisions/{picked['decision_id']}")
    expect(desk.locator("section", has=desk.locator("#why"))).to_contain_text(code)


def test_from_a_decision_to_an_entry_with_its_preview(
    desk: Page, way: tuple[str, bool], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backtests, "run", lambda *_, **__: FIGURES | {"matches": 4711})
    signed_in(desk, site, "malika", language=way[0])
    decided = site.decide(carrier_id=f"listed-{way[0]}")
    desk.goto(f"/decisions/{decided['decision_id']}")
    desk.click("#part-facts > summary")
    desk.click("#to-list summary")
    desk.click(f"#to-list a[href*='listed-{way[0]}']")
    expect(desk.locator("#identifier")).to_have_value(f"listed-{way[0]}")
    if not way[1]:
        desk.click("button[formaction='/watchlist/previews']")
    expect(desk.locator("#preview")).to_contain_text(re.compile("4.711"))
    if way[1]:
        looked_at(desk, "watchlist-preview")


def make_expression(code: str) -> str:
    return f'crossing.carrier_id == "{code}"'


def test_the_analysts_pages_can_be_used_by_everybody(
    page: Page, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backtests, "run", lambda *_, **__: FIGURES)
    register(site.runtime.journal, site.runtime.home, "m-seen", by="zafar")
    site.runtime.journal.append([measurement("m-seen", by="zafar", figures=MEASURED)])
    put_on_trial(site, "m-seen")
    signed_in(page, site, "malika")
    page.goto("/profiles/new")
    page.fill("#code", "SEEN-1")
    page.fill("#expression", "features.nite == 1")
    page.click("#check")
    page.click("#builder summary")
    page.fill("#field_1", "crossing.carrier_id")
    page.fill("#value_1", "SEEN-1")
    page.fill("#field_2", "Plate country")
    expect(page.locator("#value_2")).to_have_attribute("list", "countries")
    page.fill("#field_2", "")
    page.click("button[value='write']")
    expect(page.locator("#expression")).to_have_value(make_expression("SEEN-1"))
    page.click("button[formaction='/profiles/backtests']")
    expect(page.locator("#tried")).to_be_visible()
    looked_at(page, "editor")
    page.fill("#expression", "features.nite == 1")
    page.click("#check")
    looked_at(page, "editor-refused")
    page.fill("#expression", make_expression("SEEN-1"))
    page.click("#profile button.primary")
    model = "/models/m-seen"
    compared = "/models/comparison?version=m-seen&version=m-old"
    judged = ("/profiles/SEEN-1", "/models", model, f"{model}/report", compared, "/drift")
    for where in (*judged, "/register", "/watchlist"):
        page.goto(where)
        if where == model:
            expect(page.locator("#trial")).to_be_visible()
        looked_at(page, where)


def test_a_list_is_loaded_from_a_file(
    desk: Page, way: tuple[str, bool], site: Site, tmp_path: Path
) -> None:
    """A file in the encoding of old spreadsheets, with one faulty row that is left out."""
    language, is_scripted = way
    signed_in(desk, site, "malika", language=language)
    desk.goto("/watchlist/lists")
    name = f"list-{language}-{is_scripted}"
    for field, text in (("list", name), ("owner", "office"), ("reason", "tip")):
        desk.fill(f"#{field}", text)
    desk.fill("#expiry", (datetime.now(UTC) + timedelta(days=9)).date().isoformat())
    rows = f"plate;note\r\n{name}-1;Жалоба\r\nN/A;\r\n"
    if is_scripted:
        file = tmp_path / "list.csv"
        file.write_bytes(rows.encode("cp1251"))
        desk.select_option("#encoding", "windows-1251")
        desk.set_input_files("#file", file)
        expect(desk.locator("#lines")).to_have_value(re.compile("Жалоба"))
    else:
        desk.fill("#lines", rows)
    desk.click("button[formaction='/watchlist/lists/checks']")
    expect(desk.locator("#check tbody tr")).to_have_count(1)
    if is_scripted:
        looked_at(desk, "watch-lists")
    desk.check("#faulty_rows")
    desk.click("form[action='/watchlist/lists'] button.primary")
    expect(desk.locator("#done")).to_be_visible()
    desk.locator("tr", has_text=name).locator("a[href$='/rows']").click()
    expect(desk.locator("tbody")).to_contain_text("Жалоба")


def put_on_trial(site: Site, version: str) -> None:
    """Put a model on trial next to one in force, and record what a night measured."""
    journal, home, store = site.runtime.journal, site.runtime.home, site.runtime.store
    register(journal, home, "m-old", by="zafar")
    for which, step in (("m-old", transitions.approve), (version, transitions.challenge)):
        manifest = file_digest(home.bundles / which / MANIFEST)
        for person in ("malika", "olim"):
            with store.read() as connection:
                now = read_state(connection)
            journal.append(step(now, which, by=person, manifest=manifest))
    with store.read() as connection:
        running = find_trial(connection)
        assert running is not None
        found = trials.measure_trial(connection, running, now=journal.head(connection).as_of)
    side = {"sent": 58, "searched": 53, "found": 19}
    sides = {"champion": side, "challenger": side}
    journal.append([trials.measurement(found | {"sides": sides}, by="every-night")])
