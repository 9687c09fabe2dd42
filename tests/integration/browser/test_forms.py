"""Forms in a real browser, without scripts: numbers in four languages, and what a refusal shows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from api.web.i18n import LANGUAGES
from engine.domain.rights import Role
from engine.journal.journal import JOURNAL
from engine.journal.kinds import SEIZURE
from tests.integration.browser.conftest import FLAGS, PATIENCE_MS, find_chromium, serve
from tests.integration.browser.page_layouts import looked_at
from tests.integration.browser.users_and_vehicles import Site, bearer, people, signed_in
from tests.support.running_service import make_home, make_keys
from tests.support.sizes import PROOF
from tests.unit.api.web.test_number_parsing import GROUPED, SPELLINGS

TRIED = SPELLINGS if PROOF else SPELLINGS[:2]
"""At small size, one that depends on the language and one that does not."""
PHONE = ViewportSize(width=390, height=844)
ECHO = {"en": "2,300 g", "ru": "2 300 г", "uz": "2 300 g", "tg": "2 300 г"}


@pytest.fixture(scope="module")
def plain(browser: Browser, site: Site) -> Iterator[Page]:
    """Open a phone's browser without scripts."""
    with browser.new_context(
        base_url=site.address, java_script_enabled=False, viewport=PHONE
    ) as made:
        made.set_default_timeout(PATIENCE_MS)
        yield made.new_page()


def path(decision: dict[str, Any]) -> str:
    return f"/decisions/{decision['decision_id']}"


def open_part(page: Page, name: str) -> None:
    """Unfold a part of a decision's page."""
    if not page.locator(f"#part-{name}").evaluate("part => part.open"):
        page.click(f"#part-{name} > summary")


def fill(page: Page, quantity: str) -> None:
    if page.locator("#part-act").count():
        open_part(page, "act")
    page.check("input[name=outcome][value=seizure]")
    page.check("input[name=methods][value=physical]")
    if not page.locator("#finds").evaluate("goods => goods.open"):  # without a script
        page.click("#finds > summary")
    page.select_option("#goods_class", "narcotics")
    page.select_option("#place", "fuel.tank")
    page.fill("#amount", quantity)
    page.click("#act button.primary")


def list_seized_grams(site: Site, crossing_id: str) -> list[float | None]:
    """Return what the journal holds of a vehicle's seizures, in grams."""
    with site.runtime.store.read() as connection:
        query = JOURNAL.select().with_only_columns(JOURNAL.c.seq).where(JOURNAL.c.kind == SEIZURE)
        bodies = [
            site.runtime.journal.body(connection, seq) for (seq,) in connection.execute(query)
        ]
    goods = [body["seizure"] for body in bodies]
    return [one.get("quantity_g") for one in goods if one["crossing_id"] == crossing_id]


@pytest.mark.parametrize("language", LANGUAGES)
def test_2300_g_is_stored_as_such_or_refused_by_name(
    plain: Page, site: Site, language: str
) -> None:
    plain.context.clear_cookies()
    signed_in(plain, site, "malika", language=language)
    red = site.find("red")
    for spelling in TRIED:
        plain.goto(path(red))
        fill(plain, spelling)
        if (language, spelling) not in GROUPED:
            note = plain.locator("#amount-wrong")
            expect(note).to_contain_text("2300")
            expect(plain.locator("#amount")).to_have_value(spelling)
            assert list_seized_grams(site, red["crossing_id"]) == []
            continue
        expect(plain.locator("#read")).to_contain_text(ECHO[language])
        assert list_seized_grams(site, red["crossing_id"]) == [], "shown, and not recorded yet"
        plain.click("#confirm button.primary")
        expect(plain.locator("#filed")).to_be_visible()
        assert list_seized_grams(site, red["crossing_id"]) == [2300.0]
        red = site.find("red")


def test_a_refused_act_is_seen_at_once_on_a_phone(plain: Page, site: Site) -> None:
    plain.context.clear_cookies()
    signed_in(plain, site, "malika")
    plain.goto(path(site.find("red")))
    fill(plain, "2.300")
    summary = plain.locator("#wrong")
    expect(summary).to_be_focused()
    expect(summary).to_be_in_viewport(ratio=1)
    expect(plain.locator("#amount")).to_be_visible()  # its group is open
    summary.locator("a").click()
    expect(plain.locator("#amount")).to_be_focused()
    expect(plain.locator("#amount-wrong")).to_be_in_viewport()


def test_forms_can_be_used_by_everybody(page: Page, site: Site) -> None:
    red = site.find("red")
    signed_in(page, site, "malika")
    page.goto(path(red))
    fill(page, "2.300")
    expect(page.locator("#wrong")).to_be_focused()
    looked_at(page, "refused")
    page.fill("#amount", "2300")
    page.click("#act button.primary")
    expect(page.locator("#read")).to_be_visible()
    looked_at(page, "check-act")
    page.click("#confirm button.primary")
    expect(page.locator("#filed")).to_be_visible()
    page.context.clear_cookies()
    signed_in(page, site, "umed")
    page.goto(f"{path(site.find('red'))}/release")
    looked_at(page, "release")
    small = page.evaluate(SMALL)
    assert small == [], "targets of at least 24 px"


SMALL = """[...document.querySelectorAll('button, select, input:not([type=hidden]), textarea')]
  .filter((one) => one.offsetParent).filter((one) => {
    const box = (one.closest('label') ?? one).getBoundingClientRect();
    return box.height < 24;
  }).map((one) => one.outerHTML)"""
"""What a finger misses: controls that are lower than 24 px with their label."""


def test_a_supervisor_reaches_a_vehicle_again_after_its_act(plain: Page, site: Site) -> None:
    plain.context.clear_cookies()
    signed_in(plain, site, "malika")
    red = site.find("red")
    plain.goto(path(red))
    open_part(plain, "act")
    assert plain.evaluate(SMALL) == []
    plain.check("input[name=outcome][value=clear]")
    plain.click("#act button.primary")
    plain.click("[data-up]")
    plain.click(f"a[href='{path(red)}'] >> nth=0")
    expect(plain.locator(".acted")).to_contain_text("malika")


SEIZED = {"#amount": "2300", "#minutes": "45", "#place": "fuel.tank"}
KEPT = "Object.keys(localStorage).filter((key) => key.startsWith('typed ')).length"


def type_act(page: Page) -> None:
    page.check("input[name=outcome][value=seizure]")
    page.check("input[name=methods][value=physical]")
    page.select_option("#goods_class", "narcotics")
    page.fill("#amount", SEIZED["#amount"])
    page.fill("#minutes", SEIZED["#minutes"])
    page.select_option("#place", SEIZED["#place"])


def read_typed(page: Page) -> dict[str, str]:
    return {field: page.locator(field).input_value() for field in SEIZED}


def test_a_typed_act_survives_a_closed_browser(
    browser: Browser, site: Site, tmp_path: Path
) -> None:
    """Negative control: after twelve hours, and for another person, nothing is left."""
    red = site.find("red")
    open_profile = partial(
        browser.browser_type.launch_persistent_context,
        tmp_path,
        executable_path=find_chromium(),
        args=FLAGS,
        base_url=site.address,
    )
    with open_profile() as opened:
        page = opened.new_page()
        signed_in(page, site, "umed")
        page.goto(path(red))
        type_act(page)
    with open_profile() as opened:
        page = opened.new_page()
        opened.clear_cookies()
        signed_in(page, site, "malika")
        page.goto(path(red))
        assert set(read_typed(page).values()) == {""}, "what another person typed is not theirs"
        opened.clear_cookies()
        signed_in(page, site, "umed")
        page.goto(path(red))
        assert read_typed(page) == SEIZED
        page.clock.set_system_time(datetime.now(UTC) + timedelta(hours=13))
        page.goto(path(red))
        assert set(read_typed(page).values()) == {""}
        assert page.evaluate(KEPT) == 0


def test_a_typed_act_survives_a_restart_of_the_service(browser: Browser, tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    keys, _ = make_keys(home)
    with serve(home) as (address, runtime):
        key = bearer(keys[Role.CHECKPOINT])
        with httpx.Client(base_url=address, headers=key, timeout=PATIENCE_MS / 1000) as sender:
            site = Site(address, sender, people(runtime), runtime)
            red = site.find("red")
        page = browser.new_context(base_url=address).new_page()
        signed_in(page, site, "umed")
        page.goto(path(red))
        type_act(page)
    page.click("#act button.primary")  # nobody answers
    page.wait_for_function("location.protocol === 'chrome-error:'")
    with serve(home, port=int(address.rpartition(":")[2])):
        page.goto(path(red))
        assert read_typed(page) == SEIZED, "the session goes on as well"
        page.click("#act button.primary")
        page.click("#confirm button.primary")
        expect(page.locator("#done")).to_be_visible()
        page.context.close()


def test_a_typed_act_survives_a_session_a_reload_and_a_line(page: Page, site: Site) -> None:
    """What is typed is kept until it is recorded, and forgotten then and at the sign-out."""
    red = site.find("red")
    signed_in(page, site, "umed")
    page.goto(path(red))
    type_act(page)
    page.locator("[data-place='fuel.tank']").click()
    expect(page.locator("input[name=places_searched][value='fuel.tank']")).to_be_checked()
    page.context.clear_cookies()  # the session ends
    page.click("#act button.primary")
    page.wait_for_url(lambda url: "/login?next=" in url)
    expect(page.locator("[role=status]").first).to_contain_text("kept")
    page.fill("#name", "umed")
    page.fill("#password", site.passwords["umed"])
    page.click("button.primary")
    page.wait_for_url(f"**{path(red)}")
    assert read_typed(page) == SEIZED
    page.reload()
    assert read_typed(page) == SEIZED
    expect(page.locator(".spot.on")).to_have_count(1)
    page.route("**/acts", lambda route: route.abort())
    page.click("#act button.primary")  # the line fails
    page.unroute("**/acts")
    page.goto(path(red))
    assert read_typed(page) == SEIZED
    page.click("#act button.primary")
    page.click("#confirm button.primary")
    expect(page.locator("#done")).to_be_visible()
    page.wait_for_function(f"{KEPT} === 0")
    page.goto(path(site.find("red")))
    page.fill("#minutes", "7")
    assert page.evaluate(KEPT) == 1
    page.click(".who button")
    page.wait_for_url("**/login")
    assert page.evaluate(KEPT) == 0
